import type { Subset } from "./subset.ts";

const FAKES = ["email", "name", "phone", "address", "text"] as const;
export type Fake = (typeof FAKES)[number];

/** The rule by which the values of a column are masked. */
export type Rule =
  | { readonly kind: "keep" | "null" | "hash" }
  | { readonly kind: "fixed"; readonly text: string }
  | { readonly kind: "fake"; readonly what: Fake }
  | { readonly kind: "truncate"; readonly length: number }
  | { readonly kind: "shift-date"; readonly days: number }
  | { readonly kind: "json"; readonly path: readonly (string | number)[]; readonly rule: Rule };

/** The rules of a database: by table and column, in lower case as SQLite compares names. */
export interface Rules {
  /** True if a column without a rule is kept as it is; else it is refused. */
  readonly keepUnknown: boolean;
  readonly tables: ReadonlyMap<string, "drop" | ReadonlyMap<string, Rule>>;
  /** The rows that are given; undefined for all. */
  readonly subset?: Subset;
}

/** The forms of a rule, for errors. */
export const RULE_FORM =
  'must be "keep", "null", "hash", "fixed: <text>", "fake: email", "fake: name", "fake: phone", "fake: address", "fake: text", "truncate: <1 to 1000>", "shift-date: <days>" or "json: $.path = <rule>"';

/** Days that a date is shifted by at most. */
const MOST_DAYS = 36_500;

/** Read a rule. @returns undefined for a text that is none */
export function parseRule(text: string): Rule | undefined {
  const word = text.trim();
  if (word === "keep" || word === "null" || word === "hash") return { kind: word };
  const [, kind = "", rest = ""] = /^([a-z-]+):\s*(.*)$/s.exec(word) ?? [];
  switch (kind) {
    case "fixed":
      return { kind, text: rest };
    case "fake": {
      const what = FAKES.find((one) => one === rest);
      return what && { kind, what };
    }
    case "truncate": {
      const length = /^\d{1,4}$/.test(rest) ? Number(rest) : 0;
      return length >= 1 && length <= 1000 ? { kind, length } : undefined;
    }
    case "shift-date": {
      const days = /^[+-]?\d{1,5}$/.test(rest) ? Number(rest) : 0;
      return days !== 0 && Math.abs(days) <= MOST_DAYS ? { kind, days } : undefined;
    }
    case "json":
      return parseJsonRule(rest);
    default:
      return undefined;
  }
}

function parseJsonRule(text: string): Rule | undefined {
  const [, path, inner] = /^\$((?:\.[A-Za-z_][\w-]*|\[\d{1,6}\])+)\s*=\s*(.+)$/s.exec(text) ?? [];
  const rule = inner === undefined ? undefined : parseRule(inner);
  if (path === undefined || rule === undefined || rule.kind === "json" || rule.kind === "keep")
    return undefined;
  const steps = [...path.matchAll(/\.([\w-]+)|\[(\d+)\]/g)].map(([, name, index]) =>
    name === undefined ? Number(index) : name,
  );
  return { kind: "json", path: steps, rule };
}
