import type { DatabaseAnswer } from "../../http/views.ts";
import { VERSION } from "../../core/version.ts";
import { bodyOf, type Client } from "../client.ts";
import { allDatabases, type CoverageAnswer, coveragePages, type CoverageRow } from "../pages.ts";
import { CliError } from "../exit.ts";
import type { Progress } from "../progress.ts";
import { readHealth } from "../read-health.ts";
import { judgeAccount, judgeCatalog, judgeFleet } from "./account.ts";
import { judgeCoverage, namesOf } from "./coverage.ts";
import { judgeDatabase, judgeProtection, judgeSource } from "./database.ts";
import { type Finding, good, problem, warning } from "./finding.ts";

/**
 * Where there are more databases than `MANY`, those that are well are only counted, and so are those that are not
 * after the first `SHOWN`; `ASKED` servers are asked.
 */
const MANY = 100;
const SHOWN = 50;
const ASKED = 20;
/** Refusals that keep one thing from being seen, and nothing else. */
const UNSEEN: ReadonlySet<string> = new Set(["FORBIDDEN", "NOT_FOUND"]);

/** Look at the address, its version, the clock, the token and the catalog. */
export async function lookAtAccount(client: Client, url: string): Promise<Finding[]> {
  const asked = Date.now();
  const caller = await bodyOf(client.v1.tokens.current.$get());
  const account = judgeAccount(url, VERSION, { ...caller, asked, answered: Date.now() });
  const { migration } = await bodyOf(client.healthz.$get());
  return [...account, judgeCatalog(migration)];
}

/**
 * Look at databases and their servers.
 *
 * @param only the database that is looked at; undefined for all, with what concerns the whole
 */
export async function lookAtDatabases(
  client: Client,
  only: string | undefined,
  progress: Progress,
): Promise<Finding[]> {
  progress.show("reading the databases");
  const all = await allDatabases(client);
  const databases =
    only === undefined
      ? all
      : [await bodyOf(client.v1.databases[":db"].$get({ param: { db: only } }))];
  const found: Finding[] = only === undefined ? await lookAtFleet(client, databases) : [];
  const isMany = databases.length > MANY;
  const asked = sourcesToAsk(databases, isMany ? ASKED : databases.length);
  const unprotected: string[] = [];
  const judged = databases.map((database) => ({ database, findings: judgeDatabase(database) }));
  found.push(...(isMany ? summarize(judged, asked.size) : judged.flatMap((one) => one.findings)));
  for (const { name } of asked) {
    progress.show(`asking the server of ${name}`);
    const refreshedBy = all.find(({ refresh }) => refresh?.into === name)?.name;
    const source = await lookAtSource(client, name, refreshedBy);
    if (source.isUnprotected) unprotected.push(name);
    found.push(...source.findings);
  }
  return [...found, ...judgeProtection(unprotected)];
}

/** Choose whose servers are asked: those that are not fresh first, as what is wrong there may be why. */
function sourcesToAsk(databases: readonly DatabaseAnswer[], most: number): Set<DatabaseAnswer> {
  const can = databases.filter(
    ({ state, mistakes }) => state !== "not configured" && mistakes.length === 0,
  );
  const isFresh = ({ state }: DatabaseAnswer) => Number(state === "fresh");
  return new Set(can.toSorted((a, b) => isFresh(a) - isFresh(b)).slice(0, most));
}

interface Judged {
  readonly database: DatabaseAnswer;
  readonly findings: readonly Finding[];
}

/** Tell of a large fleet what needs somebody, for the first databases one by one, and count the others. */
function summarize(judged: readonly Judged[], asked: number): Finding[] {
  const isBad = ({ findings }: Judged) => Number(findings.some(({ level }) => level === "problem"));
  const unwell = judged
    .filter(({ findings }) => findings.some(({ level }) => level !== "good"))
    .toSorted((a, b) => isBad(b) - isBad(a));
  const others = unwell.slice(SHOWN);
  const more = `${namesOf(others.map(({ database }) => database))} are not as they should be either.`;
  const rest = others.some(isBad) ? problem : warning;
  return [
    ...unwell
      .slice(0, SHOWN)
      .flatMap(({ findings }) => findings.filter(({ level }) => level !== "good")),
    ...(others.length === 0 ? [] : [rest("databases", more, "nightjar status lists them.")]),
    good(
      "databases",
      `${judged.length - unwell.length} of ${judged.length} are as they should be.`,
    ),
    {
      ...{ level: "unseen", about: "databases" },
      message: `Only ${asked} of ${judged.length} servers were asked, those of databases that are not fresh first.`,
      fix: "nightjar doctor <database> asks the server of one.",
    },
  ];
}

async function lookAtSource(
  client: Client,
  name: string,
  refreshedBy: string | undefined,
): Promise<{ findings: Finding[]; isUnprotected: boolean }> {
  let isUnprotected = false;
  const findings = await unlessRefused(name, async () => {
    const source = await bodyOf(client.v1.databases[":db"].source.$get({ param: { db: name } }));
    isUnprotected = source.turso?.deleteProtected === false;
    return judgeSource(name, source, Date.now(), refreshedBy);
  });
  return { findings, isUnprotected };
}

async function lookAtFleet(
  client: Client,
  databases: readonly DatabaseAnswer[],
): Promise<Finding[]> {
  const fleet = await unlessRefused("nightjar", async () => {
    const { status, cron } = await readHealth(client);
    const { channels } = await bodyOf(client.v1.alerts.channels.$get());
    const hasCopies = databases.some(({ newestBackup }) => newestBackup?.copy != null);
    return judgeFleet({ cronAt: cron.at, isAsleep: status === "asleep", channels, hasCopies });
  });
  const coverage = await unlessRefused("coverage", async () => {
    let first: CoverageAnswer | undefined;
    const rows: CoverageRow[] = [];
    for await (const page of coveragePages(client, "unprotected")) {
      first ??= page;
      rows.push(...page.databases);
    }
    return judgeCoverage({ ...first!, databases: rows }, Date.now());
  });
  return [...fleet, ...coverage];
}

/** Look at something, where the token may, and where the Nightjar that answers is new enough. */
async function unlessRefused(about: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof CliError) || !UNSEEN.has(error.code ?? "")) throw error;
    return [{ level: "unseen", about, message: error.message, fix: error.hint ?? "" }];
  }
}
