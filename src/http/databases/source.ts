import { Hono } from "hono";
import { iso } from "../../core/iso.ts";
import { probeSource, probeTurso, type TursoReport } from "../../jobs/backup/probe-source.ts";
import { needs } from "../access/needs.ts";
import { SOURCE, sourceAnswer } from "../answers/database.ts";
import { configured } from "../configured.ts";
import type { HttpEnv } from "../hono-env.ts";
import { about, json } from "../openapi/about.ts";

/** `/v1/databases/:db/source`: what its server is like now. */
export const source = new Hono<HttpEnv>().get(
  "/:db/source",
  about(
    "probeSource",
    "Ask a database's server how it can be read",
    { 200: json(sourceAnswer, SOURCE, "Its answer, or why there is none.") },
    { text: "Nothing is read of the database, and nothing is remembered." },
  ),
  needs("backup", "database"),
  async (c) => {
    const database = await configured(c.env, c.req.param("db"), c.get("caller").rights);
    const [{ method, error, ms, token }, turso] = await Promise.all([
      probeSource(c.env, database),
      probeTurso(c.env, database),
    ]);
    return c.json({
      ...{ database: database.name, ms },
      method: method ?? null,
      error: error?.report() ?? null,
      token:
        token === undefined
          ? null
          : { expiresAt: iso(token.expiresAt ?? null), readOnly: token.readOnly ?? null },
      turso: turso === undefined ? null : tursoView(turso),
    });
  },
);

function tursoView({ configuration, error }: TursoReport) {
  const { allowedIps = null, allowedVpcs = null, deleteProtected = null } = configuration ?? {};
  return {
    allowedIps: allowedIps && [...allowedIps],
    allowedVpcs: allowedVpcs && [...allowedVpcs],
    ...{ deleteProtected, error: error?.report() ?? null },
  };
}
