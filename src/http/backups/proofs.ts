import { Hono } from "hono";
import { existingBackup } from "../../catalog/backups.ts";
import { proofsOf, prove } from "../../jobs/proof/prove.ts";
import type { HttpEnv } from "../hono-env.ts";

/** `/v1/backups/:id/…`: read a backup back, rehearse its restore, and what was found before. */
export const proofs = new Hono<HttpEnv>()
  .post("/:id/verify", async (c) => c.json(await prove(c.env, c.req.param("id"), "verify")))
  .post("/:id/drill", async (c) => c.json(await prove(c.env, c.req.param("id"), "drill")))
  .get("/:id/proofs", async (c) => {
    const { manifest } = await existingBackup(c.env.catalog, c.req.param("id"));
    return c.json({ proofs: await proofsOf(c.env.bucket, manifest) });
  });
