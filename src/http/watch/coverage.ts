import { Hono } from "hono";
import * as v from "valibot";
import { countDiscovered } from "../../catalog/fleet/discovered.ts";
import { readBeats } from "../../catalog/watch/beats.ts";
import { wordsOfMistakes } from "../../config/mistakes.ts";
import { iso } from "../../core/iso.ts";
import { NightjarError } from "../../errors/errors.ts";
import { discover } from "../../jobs/discovery/discover.ts";
import { countUnprotected, coveragePage, needsCare } from "../../read/protection/page.ts";
import type { Context } from "../../worker/context.ts";
import { needs, note } from "../access/needs.ts";
import { COVERAGE, coverageAnswer, DISCOVERY, discoveryAnswer } from "../answers/coverage.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { about, json } from "../openapi/about.ts";
import { byName } from "../paging.ts";

/** Names of an answer that a change is told with. */
const TOLD = 100;

const querySchema = v.strictObject({
  ...byName,
  only: v.optional(
    v.pipe(
      v.picklist(["unprotected"], "must be unprotected"),
      v.description(
        "Leave out what is protected and `fresh`, and what is `gone`. A page may then have fewer than `limit`, or none, and still a `next`.",
      ),
    ),
  ),
});

/** `/v1/coverage`: what is protected, what is not, and why. */
export const coverage = new Hono<HttpEnv>().get(
  "/",
  about(
    "getCoverage",
    "List what is protected, what is not, and why",
    { 200: json(coverageAnswer, COVERAGE, "A page of it.") },
    {
      text: "All databases of `DATABASES`, and all that Turso lists or did list, in the order of their names. A name comes twice where `DATABASES` has another database of it.",
    },
  ),
  needs("read", "all"),
  input("query", querySchema, { only: "unprotected" }),
  async (c) => {
    const { cursor = "", limit, only } = c.req.valid("query");
    const { config, catalog } = c.env;
    const [{ databases, next }, { discovered, discovery }, counts] = await Promise.all([
      coveragePage(c.env, cursor, limit, only === undefined ? () => true : needsCare),
      readBeats(catalog),
      cursor === "" ? countsOf(c.env) : null,
    ]);
    return c.json({
      organization: config.turso?.organization ?? null,
      listedAt: config.turso === undefined ? null : iso(discovered?.at),
      everySeconds: config.turso === undefined ? null : config.turso.everyMs / 1000,
      error: config.turso === undefined ? null : (discovery?.error ?? null),
      mistakes: [...config.tursoMistakes],
      counts,
      databases: databases.map(
        ({ name, origin, group, hostname, isProtected, why, state, words }) => ({
          ...{ name, origin, group: group ?? null, hostname, protected: isProtected },
          ...{ why: why ?? null, state: state ?? null, words },
        }),
      ),
      next: next ?? null,
    });
  },
);

async function countsOf(context: Context) {
  const { config, catalog } = context;
  const [unprotected, { listed, gone }] = await Promise.all([
    countUnprotected(context),
    config.turso === undefined && config.tursoMistakes.length === 0
      ? { listed: 0, gone: 0 }
      : countDiscovered(catalog),
  ]);
  return { configured: config.databases.size, found: listed, unprotected, gone };
}

/** `/v1/discovery`: reading Turso's list without waiting for its time. */
export const discovery = new Hono<HttpEnv>().post(
  "/",
  about(
    "readList",
    "Read Turso's list of databases now",
    { 200: json(discoveryAnswer, DISCOVERY, "What has changed.") },
    { text: "`TURSO_NOT_CONFIGURED` (409) without a section `TURSO`, or with a mistake in it." },
  ),
  needs("admin", "all", "discovery"),
  async (c) => {
    const { platform, config, deps } = c.env;
    if (platform === undefined) throw notConfigured(config.tursoMistakes);
    const { listed, added, replaced, gone } = await discover(c.env, platform, deps.now());
    note(c, { listed, added: added.length, replaced: replaced.length, gone: gone.length });
    const told = (names: readonly string[]) => ({
      count: names.length,
      names: names.slice(0, TOLD),
    });
    return c.json({ listed, added: told(added), replaced: told(replaced), gone: told(gone) });
  },
);

function notConfigured(mistakes: Parameters<typeof wordsOfMistakes>[0]): NightjarError {
  return new NightjarError(
    "TURSO_NOT_CONFIGURED",
    mistakes.length === 0
      ? "No organization of Turso is configured, so there is no list to read."
      : `The section TURSO is wrong, and its list is not read. ${wordsOfMistakes(mistakes)}`,
  );
}
