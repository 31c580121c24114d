import { type Context as HonoContext, Hono } from "hono";
import { reaches } from "../../plan/access.ts";
import type { Format } from "../../plan/formats.ts";
import { BackupPage } from "../../web/pages/backup.tsx";
import type { HttpEnv } from "../hono-env.ts";
import { answerOf, apiOf, rightsOf, show } from "./page.ts";
import { restoreFromPage } from "./restore.ts";

/** What was done just now, as the address of the page names it. */
const DONE: Readonly<Record<string, string>> = {
  pin: "It is pinned: it stays until it is unpinned.",
  unpin: "It is left to the retention policy again.",
  verify: "It was read back: the result is below.",
  drill: "Its restore was rehearsed: the result is below.",
};

async function field(c: HonoContext<HttpEnv>, name: string): Promise<string> {
  const value = (await c.req.parseBody())[name];
  return typeof value === "string" ? value : "";
}

/** Pages of a backup, and what is done with it. */
export const backupPages = new Hono<HttpEnv>()
  .get("/backups/:id", async (c) => {
    const api = apiOf(c);
    const caller = c.get("caller");
    const param = { id: c.req.param("id") };
    const [backup, { proofs }] = await Promise.all([
      answerOf(api.v1.backups[":id"].$get({ param })),
      answerOf(api.v1.backups[":id"].proofs.$get({ param })),
    ]);
    const { tables, ...summary } = backup;
    // What is found through Turso is read with tokens that cannot write.
    const targets = [...c.env.config.databases.keys()].filter((name) =>
      reaches(caller.rights, name),
    );
    const page = BackupPage({
      ...{ who: caller.name, tables, proofs: proofs.toReversed(), targets },
      backup: { ...summary, tableCount: tables.length },
      ...{ may: rightsOf(caller), done: DONE[c.req.query("done") ?? ""], now: c.env.deps.now() },
    });
    return show(c, page);
  })

  .post("/backups/:id/verify", async (c) => {
    const id = c.req.param("id");
    await answerOf(apiOf(c).v1.backups[":id"].verify.$post({ param: { id } }));
    return c.redirect(`/backups/${id}?done=verify`, 303);
  })
  .post("/backups/:id/drill", async (c) => {
    const id = c.req.param("id");
    await answerOf(apiOf(c).v1.backups[":id"].drill.$post({ param: { id } }));
    return c.redirect(`/backups/${id}?done=drill`, 303);
  })
  .post("/backups/:id/pin", async (c) => {
    const id = c.req.param("id");
    const json = { reason: await field(c, "reason") };
    await answerOf(apiOf(c).v1.backups[":id"].pin.$post({ param: { id }, json }));
    return c.redirect(`/backups/${id}?done=pin`, 303);
  })
  .post("/backups/:id/unpin", async (c) => {
    const id = c.req.param("id");
    await answerOf(apiOf(c).v1.backups[":id"].pin.$delete({ param: { id } }));
    return c.redirect(`/backups/${id}?done=unpin`, 303);
  })

  // A link for one download, used at once.
  .post("/backups/:id/download", async (c) => {
    const param = { id: c.req.param("id") };
    const format = (await field(c, "format")) as Format;
    const link = await answerOf(
      apiOf(c).v1.backups[":id"].links.$post({ param, json: { format, expiresIn: "10m" } }),
    );
    return c.redirect(link.url, 303);
  })

  .post("/backups/:id/restore", restoreFromPage);
