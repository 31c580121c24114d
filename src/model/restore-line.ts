import * as v from "valibot";
import { isTable } from "../errors/schema-issue.ts";
import type { Plan, Restored, RestoreProgress } from "./restore-report.ts";

/** One line of the answer to a restore: the plan, then progress, and last the result or an error. */
export type RestoreLine =
  | { readonly plan: Plan }
  | RestoreProgress
  | { readonly done: Restored }
  | { readonly error: { readonly code: string; readonly message: string; readonly hint: string } };

const STATES = ["saving", "waiting", "wiping", "writing", "verifying"];

const lineSchema = v.union([
  v.object({ plan: v.custom<Plan>(isTable) }),
  v.object({ done: v.custom<Restored>(isTable) }),
  v.object({ error: v.object({ code: v.string(), message: v.string(), hint: v.string() }) }),
  v.custom<RestoreProgress>(
    (value) => isTable(value) && STATES.includes(String(value["state"])),
    "must be a line of a restore",
  ),
]);

/**
 * Parse a line of the answer to a restore.
 *
 * @throws Error if it is not one: a proxy cut it, or another version of Nightjar wrote it
 */
export function parseRestoreLine(text: string): RestoreLine {
  return v.parse(lineSchema, JSON.parse(text));
}
