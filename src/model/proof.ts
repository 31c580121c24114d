import type { ErrorReport } from "../errors/errors.ts";
import type { TableDigest } from "../format/tables/digest.ts";

/** A check of the stored bytes: `verify` reads them back, `drill` restores them in scratch space. */
export type Act = "verify" | "drill";

export type Outcome =
  /**
   * Outcomes of a verify: every byte is as it was stored, and the content is what the manifest says; or
   * not.
   */
  | "verified"
  | "corrupt"
  /**
   * Outcomes of a drill: the backup restores to what was captured; it does not; this cannot be tested
   * here.
   */
  | "passed"
  | "failed"
  | "unproven";

/** One check, with its result. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** The finding, for people. */
  readonly detail: string;
}

/** How the names of checks begin that are queries of the configuration. */
export const QUERY_CHECK = "check: ";

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
  /** Key of the bytes that were read. */
  key: string;
  proofKey: string;
  /** The run that it belongs to; null for a proof of its own. */
  runId: string | null;
  startedAt: string;
  finishedAt: string;
  outcome: Outcome;
  /** The first problem, or the reason why nothing could be proven. */
  problem: ErrorReport | null;
  checks: Check[];
  /** The tables as SQLite reads them in a drill; empty for a verify. */
  tables: TableDigest[];
  /** Time from the first byte read until the database could be queried, ms; null for a verify. */
  recoveryMs: number | null;
}

/** The catalog's summary of the newest proof of an act. */
export interface ProofSummary {
  readonly outcome: Outcome;
  readonly at: string;
  readonly proofKey: string;
  readonly problem: ErrorReport | null;
  readonly recoveryMs: number | null;
}

/** Return true if a proof found the backup itself to be bad. */
export function isBad(outcome: Outcome): boolean {
  return outcome === "corrupt" || outcome === "failed";
}

/** Return true if a backup is known to be bad, by the newest proof of each act (null if there is none). */
export function isKnownBad(backup: Proven<Pick<ProofSummary, "outcome">>): boolean {
  return badProof(backup) !== null;
}

/** The proof that a backup is bad. */
export interface KnownBad {
  readonly act: Act;
  readonly outcome: Outcome;
  readonly at: string;
  readonly problem: ErrorReport | null;
}

/** Return the newest proof of an act that found a backup bad; null if there is none. */
export function knownBad(backup: Proven<ProofSummary>): KnownBad | null {
  const bad = badProof(backup);
  if (bad === null) return null;
  const { outcome, at, problem } = bad.found;
  return { act: bad.act, outcome, at, problem };
}

/** Describe in one sentence for people how a backup is known to be bad. */
export function badWords(id: string, { act, outcome, at, problem }: KnownBad): string {
  const why = problem === null ? "." : `: ${problem.message}`;
  return `Backup ${id} is known to be bad. Its ${act} of ${at} found it ${outcome}${why}`;
}

/** The newest proof of each act of a backup. */
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
