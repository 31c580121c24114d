import { type Beat, type BeatName, readBeats } from "../catalog/watch/beats.ts";
import { channelStates } from "../catalog/watch/deliveries.ts";
import { changeIncident, enterIncident, openIncidents } from "../catalog/watch/incidents.ts";
import { firstWatched } from "../catalog/watch/watches.ts";
import { namesOf } from "../config/channels.ts";
import { randomId } from "../core/deps.ts";
import { log } from "../core/log.ts";
import { asNightjarError } from "../errors/errors.ts";
import type { Problem } from "../plan/alerts/alert.ts";
import { type Change, changesOf, type Incident } from "../plan/alerts/incidents.ts";
import { problemsOf } from "../plan/alerts/problems.ts";
import { DAY, HOUR, MINUTE, span } from "../plan/duration.ts";
import type { Context } from "../worker/context.ts";
import { readFacts } from "./facts.ts";
import { messageFor, shortened } from "./message.ts";
import { routesOf } from "./routes.ts";

/** Time for which a channel may take no message before the others are told, ms. */
const DOWN = HOUR;
/** Time without a night's work after which it is missed, ms. */
const NIGHT_MISSED = DAY + 2 * HOUR;

/**
 * Look for what is wrong with some databases and with Nightjar itself, and enter what is to be told of it.
 *
 * @param names the databases; of others, incidents stay as they are while they are protected
 * @param now ms
 * @throws the first error, after everything had its turn
 */
export async function watchFleet(
  context: Context,
  names: readonly string[],
  now: number,
): Promise<void> {
  const { catalog, config } = context;
  const [{ facts, unknown }, open, own] = await Promise.all([
    readFacts(context, names, now),
    openIncidents(catalog),
    ownProblems(context, now),
  ]);
  const problems = [...facts.flatMap((known) => problemsOf(known, now)), ...own].map(shortened);
  const others = new Set(open.flatMap(({ database }) => database ?? []));
  for (const name of names) others.delete(name);
  const left = await context.fleet.findAll([...others]);
  // While TURSO has a mistake, nobody can tell which of the others are protected.
  const isHidden = (name: string) => config.tursoMistakes.length > 0 && !config.databases.has(name);
  const isKnown = (name: string) => !left.has(name) && !unknown.has(name) && !isHidden(name);
  const errors: unknown[] = [];
  for (const change of changesOf(open, problems, routesOf(config.channels), isKnown, now))
    try {
      await apply(context, change, now);
    } catch (thrown) {
      log.error("incident-not-entered", thrown, {
        rule: change.problem.rule,
        database: change.problem.database,
      });
      errors.push(thrown);
    }
  if (errors.length > 0) throw errors[0];
}

/** Problems that concern all databases. */
async function ownProblems({ catalog, config }: Context, now: number): Promise<Problem[]> {
  const [beats, states, watchedSince] = await Promise.all([
    readBeats(catalog),
    channelStates(catalog, namesOf(config.channels)),
    firstWatched(catalog),
  ]);
  const problems: Problem[] = [];
  const add = (problem: Omit<Problem, "database">) => problems.push({ ...problem, database: null });
  for (const { path, fix } of config.watchMistakes)
    add({
      ...{ rule: "misconfigured", severity: "critical", subject: path },
      summary: `${path}: ${fix}. Until then it is not used.`,
      hint: "Fix wrangler.toml or the secret, and deploy again.",
    });
  for (const { channel, failingSince, lastDeliveredAt, pending, lastError } of states)
    // One that has taken a message since then refuses only some.
    if (failingSince !== null && failingSince > (lastDeliveredAt ?? 0) && now - failingSince > DOWN)
      add({
        ...{ rule: "channel-down", severity: "warning", subject: channel },
        summary: `Channel ${channel} has taken no message for ${span(now - failingSince)}; ${pending} wait. ${lastError?.message ?? ""}`,
        hint: `Try it with \`nightjar alert test ${channel}\`.`,
      });
  const night = nightProblem(beats.night, watchedSince, now);
  if (night !== undefined)
    add({ ...night, rule: "night-failed", severity: "critical", subject: "" });
  const listing = config.turso && listingProblem(beats, config.turso.everyMs, now);
  if (listing !== undefined) add({ ...listing, rule: "discovery-failed", subject: "" });
  return problems;
}

/** Time that a listing may take, ms. */
const LISTING = 10 * MINUTE;
const CUT_OFF = {
  message: "Reading it was cut off.",
  code: "INTERNAL",
  hint: "It is read again; look at the Worker's log if this stays.",
} as const;

/** A list that was not read once is read again soon; one that is two intervals old hides new databases. */
function listingProblem(
  { discovery, discovered }: Partial<Record<BeatName, Beat>>,
  everyMs: number,
  now: number,
): Pick<Problem, "severity" | "summary" | "hint"> | undefined {
  const old = now - (discovered?.at ?? 0);
  if (discovery === undefined || old <= 2 * everyMs) return undefined;
  // It is being read; or it is due, because no minute's work was done for a while.
  const isUnderWay = now - discovery.at < LISTING || discovery.at === discovered?.at;
  if (discovery.error === null && isUnderWay) return undefined;
  const { message, code, hint } = discovery.error ?? CUT_OFF;
  const since = discovered === undefined ? "was never read" : `was last read ${span(old)} ago`;
  return {
    severity: old > Math.max(DAY, 4 * everyMs) ? "critical" : "warning",
    summary: `Turso's list of databases ${since}, and new databases have no backups until it is: ${message} [${code}]`,
    hint,
  };
}

function nightProblem(
  night: Beat | undefined,
  watchedSince: number | null,
  now: number,
): Pick<Problem, "summary" | "hint"> | undefined {
  if (night?.error != null) {
    const { message, code, hint } = night.error;
    return { summary: `The night's work failed: ${message} [${code}]`, hint };
  }
  const since = night?.at ?? watchedSince;
  if (since === null || now - since <= NIGHT_MISSED) return undefined;
  return {
    summary: `The night's work was not done for ${span(now - since)}: retention, reconciling and second copies wait.`,
    hint: "Are there two crons in wrangler.toml? Look at the Worker's log for its second one.",
  };
}

/** Enter what has changed. Whoever watches at the same time enters the same. */
async function apply(context: Context, change: Change, now: number): Promise<void> {
  const { catalog, deps } = context;
  const { problem, tell } = change;
  const told = tell.map(({ channel }) => channel);
  const messages = (incident: { id: string; openedAt: number }) =>
    tell.map((telling) => messageFor(incident, problem, telling, now));
  if (change.does === "open") {
    const id = randomId(deps);
    const times = { openedAt: now, closedAt: null, remindedAt: now };
    const incident: Incident = { ...problem, id, ...times, told };
    try {
      await enterIncident(catalog, incident, messages(incident));
    } catch (thrown) {
      if (asNightjarError(thrown).code !== "CATALOG_CONFLICT") throw thrown;
      return; // another look has opened it
    }
    log.warn("incident-opened", { incident: id, rule: problem.rule, database: problem.database });
    return;
  }
  const { incident } = change;
  if (change.does === "close") {
    await changeIncident(catalog, { ...incident, closedAt: now }, messages(incident));
    log.info("incident-closed", {
      incident: incident.id,
      rule: problem.rule,
      database: problem.database,
    });
    return;
  }
  const { severity, summary, hint } = problem;
  await changeIncident(
    catalog,
    {
      ...{ ...incident, severity, summary, hint, remindedAt: now },
      told: [...new Set([...incident.told, ...told])],
    },
    messages(incident),
  );
}
