import type { ErrorReport } from "../errors/errors.ts";
import type { TableDigest } from "../format/tables/digest.ts";

/** What a look at the stored bytes found: `verify` reads them back, `drill` restores them in a scratch space. */
export type Act = "verify" | "drill";

export type Outcome =
  /** Of a verify: every byte is as it was stored, and holds what the manifest says; or it is not. */
  | "verified"
  | "corrupt"
  /** Of a drill: the backup restores to what was captured; it does not; nobody can tell here. */
  | "passed"
  | "failed"
  | "unproven";

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found, for people. */
  readonly detail: string;
}

/**
 * The JSON that a verify or a drill leaves beside a backup, written once. Moments are ISO 8601 in UTC.
 * Described in docs/format.md.
 */
export interface Proof {
  /** Version of this format. */
  format: 1;
  /** Version of the Nightjar that wrote it. */
  nightjar: string;
  act: Act;
  /** The backup's id. */
  backup: string;
  database: string;
  /** The bytes that were read. */
  key: string;
  proofKey: string;
  /** The run that it belongs to; null for a look of its own. */
  runId: string | null;
  startedAt: string;
  finishedAt: string;
  outcome: Outcome;
  /** The first thing that was wrong, or the reason why nothing could be proven. */
  problem: ErrorReport | null;
  checks: Check[];
  /** Of a drill: every table as SQLite reads it. */
  tables: TableDigest[];
  /** Of a drill: ms from the first byte read until the database could be asked. */
  recoveryMs: number | null;
}

/** What the catalog remembers of the newest proof of each act. */
export interface ProofSummary {
  readonly outcome: Outcome;
  readonly at: string;
  readonly proofKey: string;
  readonly problem: ErrorReport | null;
  readonly recoveryMs: number | null;
}

/** Whether a proof found the backup itself to be wrong. */
export function isBad(outcome: Outcome): boolean {
  return outcome === "corrupt" || outcome === "failed";
}

/** Whether a backup is known to be wrong, by the newest proof of each act (null where there is none). */
export function isKnownBad(backup: Proven<Pick<ProofSummary, "outcome">>): boolean {
  return badProof(backup) !== null;
}

/** What is known to be wrong with a backup. */
export interface KnownBad {
  readonly act: Act;
  readonly outcome: Outcome;
  readonly at: string;
  readonly problem: ErrorReport | null;
}

/** What the newest proof of each act says against a backup; null where nothing does. */
export function knownBad(backup: Proven<ProofSummary>): KnownBad | null {
  const bad = badProof(backup);
  if (bad === null) return null;
  const { outcome, at, problem } = bad.found;
  return { act: bad.act, outcome, at, problem };
}

/** What is known to be wrong with a backup, as one sentence for people. */
export function badWords(id: string, { act, outcome, at, problem }: KnownBad): string {
  const why = problem === null ? "." : `: ${problem.message}`;
  return `Backup ${id} is known to be bad. Its ${act} of ${at} found it ${outcome}${why}`;
}

/** The newest proofs of a backup, of each act. */
interface Proven<F> {
  readonly verification: F | null;
  readonly drill: F | null;
}

function badProof<F extends Pick<ProofSummary, "outcome">>({
  verification,
  drill,
}: Proven<F>): { act: Act; found: F } | null {
  if (verification !== null && isBad(verification.outcome))
    return { act: "verify", found: verification };
  return drill !== null && isBad(drill.outcome) ? { act: "drill", found: drill } : null;
}
