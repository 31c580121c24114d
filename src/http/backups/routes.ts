import { Hono } from "hono";
import type { HttpEnv } from "../hono-env.ts";
import { backups as ownRoutes } from "./backups.ts";
import { copies } from "./copies.ts";
import { proofs } from "./proofs.ts";
import { restoreBackup } from "./restore.ts";

/** `/v1/backups`: everything about one backup. */
export const backups = new Hono<HttpEnv>()
  .route("/", ownRoutes)
  .route("/", proofs)
  .route("/", copies)
  .route("/", restoreBackup);
