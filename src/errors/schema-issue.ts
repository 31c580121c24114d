import type { BaseIssue } from "valibot";

/** Keys that valibot's records pass over without a word. */
const UNSAFE = new Set(["__proto__", "prototype", "constructor"]);

/** Return true if a value is an object with keys that a record can hold. */
export function isTable(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !Object.keys(value).some((key) => UNSAFE.has(key));
}

/** The keys that lead to a value which valibot refused. */
export function issueKeys(issue: BaseIssue<unknown>): string[] {
  return (issue.path ?? []).map((item) => String(item.key));
}

/** Say what is wrong with a refused value, for people; `known` are the keys of its object. */
export function issueMessage(issue: BaseIssue<unknown>, known: readonly string[]): string {
  if (issue.type !== "strict_object") return issue.message;
  if (issue.expected === "never") return `unknown key; known keys are ${known.join(", ")}`;
  return issue.received === "undefined" ? "is missing" : issue.message;
}
