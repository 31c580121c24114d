import { Hono } from "hono";
import { record } from "../../audit/record.ts";
import { refreshOf, startRefresh } from "../../jobs/refresh/start.ts";
import { reaches } from "../../plan/access.ts";
import { needs, takeRecording } from "../access/needs.ts";
import { REFRESH, refreshAnswer } from "../answers/refresh.ts";
import { configured, noSuchDatabase } from "../configured.ts";
import type { HttpEnv } from "../hono-env.ts";
import { about, json } from "../openapi/about.ts";
import { refreshView } from "../views.ts";

/** `/v1/databases/:db/refresh` */
export const refresh = new Hono<HttpEnv>().post(
  "/:db/refresh",
  about(
    "startRefresh",
    "Restore the newest proven backup into the database that `refresh` names",
    {
      202: json(
        refreshAnswer,
        { ...REFRESH, ...{ trigger: "api", state: "queued", attempt: 0 } },
        "The refresh, which goes on; the one under way if there is one.",
      ),
    },
    {
      text: "What the target holds is replaced. `refresh.last` of the database tells how it ends. docs/refresh.md says what is saved first.",
    },
  ),
  needs("restore", "database", "refresh"),
  async (c) => {
    const { rights } = c.get("caller");
    const { name } = await configured(c.env, c.req.param("db"), rights);
    const { into } = refreshOf(c.env, name).refresh;
    if (!reaches(rights, into)) throw await noSuchDatabase(c.env, into, rights);
    const started = await startRefresh(c.env, name);
    // How it ends is recorded by the refresh itself.
    const { by, database, detail } = takeRecording(c);
    const facts = { ...detail, into, backup: started.backup };
    await record(c.env, {
      ...{ by, database, action: "refresh", subject: started.id },
      ...{ outcome: "started", detail: facts },
    });
    return c.json(refreshView(started), 202);
  },
);
