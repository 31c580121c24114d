import type { DatabaseAnswer } from "../../http/views.ts";
import { span } from "../../plan/duration.ts";
import { moment } from "../output.ts";
import { SOON } from "./account.ts";
import { namesOf } from "./coverage.ts";
import { type Finding, good, problem, warning } from "./finding.ts";

/** What Nightjar found when it asked a database's server. */
export interface SourceFacts {
  readonly ms: number;
  readonly method: { readonly protocol: string; readonly why: string } | null;
  readonly error: { readonly message: string; readonly hint: string } | null;
  readonly token: {
    readonly expiresAt: string | null;
    readonly readOnly: boolean | null;
  } | null;
  /** What Turso lets happen to it; null for one that is not found through TURSO, left out by an older Nightjar. */
  readonly turso?: {
    readonly allowedIps: readonly string[] | null;
    readonly allowedVpcs: readonly string[] | null;
    readonly error: { readonly message: string; readonly hint: string } | null;
  } | null;
}

/** Judge what Nightjar knows of a database. */
export function judgeDatabase(database: DatabaseAnswer): Finding[] {
  const { name, state, mistakes, nextScheduledAt, lastRun, newestBackup, follow } = database;
  if (state === "not configured")
    return [
      warning(
        name,
        "It is not configured any more: its backups stay, and no new ones are made.",
        "Add it to DATABASES again, or delete what is left of it (docs/configuration.md).",
      ),
    ];
  const found: Finding[] = mistakes.map(({ path, fix }) =>
    problem(
      name,
      `${path} ${fix}`,
      "Correct it, and deploy again. Until then it is not backed up.",
    ),
  );
  if (mistakes.length === 0) found.push(judgeState(database));
  found.push(
    nextScheduledAt === null
      ? warning(name, "Nothing is scheduled.", "Give it a schedule: docs/configuration.md.")
      : good(name, `The next backup is due at ${moment(nextScheduledAt)}.`),
  );
  if (lastRun?.state === "failed" && lastRun.error !== null)
    found.push(problem(name, `Its last run failed: ${lastRun.error.message}`, lastRun.error.hint));
  if (follow?.error != null)
    found.push(
      problem(name, `Its log does not follow: ${follow.error.message}`, follow.error.hint),
    );
  const copy = newestBackup?.copy;
  if (copy?.state === "failed")
    found.push(
      problem(
        name,
        `Its newest backup has no second copy: ${copy.error?.message ?? ""}`,
        copy.error?.hint ?? "See docs/second-copy.md.",
      ),
    );
  for (const [what, objective] of [
    ["recovery point", database.recoveryPoint],
    ["recovery time", database.recoveryTime],
  ] as const)
    if (objective?.state === "missed" || objective?.state === "at-risk")
      found.push(
        warning(
          name,
          `Its objective of ${span(objective.objectiveSeconds! * 1000)} for the ${what} is ${objective.state === "missed" ? "missed" : "at risk"}.`,
          "docs/verification.md tells what makes it shorter.",
        ),
      );
  return found;
}

function judgeState({ name, state, newestBackup }: DatabaseAnswer): Finding {
  if (state === "fresh")
    return good(
      name,
      newestBackup!.confirmed == null
        ? `Its newest backup, of ${moment(newestBackup!.takenAt)}, is fresh and good.`
        : `Its newest backup, of ${moment(newestBackup!.takenAt)}, is good, and nothing has changed since.`,
    );
  if (state === "none")
    return problem(name, "It has no backup yet.", `Make one with: nightjar backup ${name}`);
  const words = { late: "late", unverified: "not verified", failed: "failed", corrupt: "corrupt" };
  const word = words[state as keyof typeof words] ?? state;
  return (state === "late" || state === "unverified" ? warning : problem)(
    name,
    `Its newest backup is ${word}.`,
    `nightjar runs ${name} and nightjar proofs ${name} tell why.`,
  );
}

/**
 * Judge a database's server and the token of it.
 *
 * @param refreshedBy the database whose refresh writes to it; undefined if none does
 */
export function judgeSource(
  name: string,
  source: SourceFacts,
  now: number,
  refreshedBy?: string,
): Finding[] {
  const { ms, method, error, token, turso } = source;
  const found: Finding[] = turso == null ? [] : judgeTurso(name, turso, error !== null);
  if (error !== null) found.push(problem(name, `Its server: ${error.message}`, error.hint));
  else if (method?.protocol === "dump" || method?.protocol === "rows")
    found.push(
      warning(
        name,
        `Its server answers in ${ms} ms, and is read by ${method.protocol === "dump" ? "dump" : "its rows"} alone: ${method.why}.`,
        "Without pages there is no log, and no moment between two backups: docs/pages.md.",
      ),
    );
  else if (method !== null)
    found.push(good(name, `Its server answers in ${ms} ms: ${method.protocol} (${method.why}).`));
  // Of a database that is found through TURSO, Nightjar makes a token for an hour whenever it needs one.
  if (token === null || turso != null) return found;
  const left = token.expiresAt === null ? Infinity : Date.parse(token.expiresAt) - now;
  const reads = refreshedBy === undefined ? " --read-only" : "";
  const again = `turso db tokens create ${name}${reads}, then: npx wrangler secret put`;
  if (left < 0) found.push(problem(name, "Its source's token has expired.", `Make one: ${again}`));
  else if (left < SOON)
    found.push(
      warning(name, `Its source's token expires in ${span(left)}.`, `Make another one: ${again}`),
    );
  if (refreshedBy !== undefined) {
    if (token.readOnly === true)
      found.push(
        problem(
          name,
          `Its token reads only, and the refresh of ${refreshedBy} writes to it.`,
          `Make one that may write: ${again}`,
        ),
      );
    return found;
  }
  if (token.readOnly === false)
    found.push(
      warning(
        name,
        "Its source's token may write, which Nightjar never does.",
        `Make one that reads only: ${again}`,
      ),
    );
  if (token.readOnly === true && left >= SOON)
    found.push(good(name, "Its source's token reads only."));
  return found;
}

/** Judge whether Turso lets a Worker connect. */
function judgeTurso(
  name: string,
  { allowedIps, allowedVpcs, error }: NonNullable<SourceFacts["turso"]>,
  isRefused: boolean,
): Finding[] {
  if (error !== null)
    return [warning(name, `Turso does not tell its settings: ${error.message}`, error.hint)];
  const judge = isRefused ? problem : warning;
  const found: Finding[] = [];
  if (allowedIps !== null)
    found.push(
      judge(
        name,
        `Only these addresses may connect: ${allowedIps.join(", ")}. A Worker has no fixed address.`,
        "Take the list of addresses off the database in Turso, or back it up in another way.",
      ),
    );
  if (allowedVpcs !== null)
    found.push(
      judge(
        name,
        `One may connect only through ${allowedVpcs.join(", ")} of AWS. A Worker comes through none.`,
        "Take the list of endpoints off the database in Turso, or back it up in another way.",
      ),
    );
  return found;
}

/** Suggest delete protection. @param names databases that may be deleted by one command */
export function judgeProtection(names: readonly string[]): Finding[] {
  if (names.length === 0) return [];
  const [first] = names;
  return [
    warning(
      "delete protection",
      `It is off in Turso: one command deletes ${namesOf(names.map((name) => ({ name })))}.`,
      `Switch it on, so that nobody does by mistake: turso db config delete-protection enable ${first}`,
    ),
  ];
}
