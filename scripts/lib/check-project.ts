import { stripVTControlCharacters } from "node:util";
import { type LifecycleRule, lifecycleRules } from "../../src/plan/lifecycle.ts";
import { type LockRule, lockRules } from "../../src/plan/locks.ts";
import { neededSecrets, type Project } from "./provision.ts";
import type { Wrangler } from "./wrangler.ts";

/** Rules that Nightjar sets have names that begin with this. */
const OURS = "nightjar ";
/** Seconds of a day. */
const DAY = 86_400;

/** What a rule of a bucket does, in the words in which wrangler lists it. */
type Rules = ReadonlyMap<string, string>;

/**
 * Tell what a deploy would do, and how the bucket's own rules differ from what they should be. Nothing is
 * changed.
 */
export async function checkProject(wrangler: Wrangler, project: Project): Promise<string[]> {
  const { bucket, databases, turso } = project;
  const names = [...databases.keys()].join(", ");
  const found = turso && `what the Worker finds in the organization ${turso.organization} of Turso`;
  const what = [names, found].filter(Boolean).join(", and ");
  const lines = [
    `wrangler.toml is sound: ${what || "no database yet"}.`,
    `It needs the secrets ${neededSecrets(project).join(", ")}.`,
  ];
  const lifecycle = new Map(
    lifecycleRules(databases, turso?.allSettings()).rules.map((rule) => [
      rule.id,
      lifecycleWords(rule),
    ]),
  );
  const locks = new Map(lockRules(databases).rules.map((rule) => [rule.id, lockWords(rule)]));
  for (const [kind, wanted] of [
    ["lifecycle", lifecycle],
    ["lock", locks],
  ] as const) {
    const { ok, output } = await wrangler.ask(["r2", "bucket", kind, "list", bucket]);
    if (ok) lines.push(...differences(kind, bucket, wanted, readRules(output)));
    else
      lines.push(
        `The ${kind} rules of ${bucket} were not compared: ${firstLine(output)}`,
        "Sign in with: npx wrangler login. A bucket that is not there yet has none.",
      );
  }
  return lines;
}

/** Read the rules that wrangler lists: lines with a name, and what the rule does. */
function readRules(output: string): Rules {
  const rules = new Map<string, string>();
  for (const block of stripVTControlCharacters(output).split(/\n(?=name:)/)) {
    const value = (label: string) =>
      new RegExp(`^${label}:[^\\S\\n]*(.+?)[^\\S\\n]*$`, "m").exec(block)?.[1];
    const name = value("name");
    if (name?.startsWith(OURS) !== true) continue;
    const does = value("action") ?? value("condition") ?? "";
    rules.set(name, ruleWords(value("enabled") === "Yes", value("prefix") ?? "", does));
  }
  return rules;
}

function lifecycleWords(rule: LifecycleRule): string {
  const { enabled, conditions, deleteObjectsTransition, storageClassTransitions = [] } = rule;
  const actions = [
    ...(deleteObjectsTransition === undefined
      ? []
      : [`Expire objects ${after(deleteObjectsTransition.condition.maxAge)}`]),
    ...storageClassTransitions.map(
      ({ condition }) => `Transition to Infrequent Access ${after(condition.maxAge)}`,
    ),
    ...(rule.abortMultipartUploadsTransition === undefined
      ? []
      : [
          `Abort incomplete multipart uploads ${after(rule.abortMultipartUploadsTransition.condition.maxAge)}`,
        ]),
  ];
  return ruleWords(enabled, conditions.prefix, actions.join(", "));
}

function lockWords({ enabled, prefix, condition }: LockRule): string {
  return ruleWords(enabled, prefix, after(condition.maxAgeSeconds));
}

const after = (seconds: number): string =>
  `after ${seconds / DAY} ${seconds === DAY ? "day" : "days"}`;

function ruleWords(isEnabled: boolean, prefix: string, does: string): string {
  return `${isEnabled ? "" : "(off) "}${prefix || "(all prefixes)"} ${does}`;
}

function differences(kind: string, bucket: string, wanted: Rules, found: Rules): string[] {
  const changed = [...wanted].filter(([name, does]) => found.has(name) && found.get(name) !== does);
  const missing = [...wanted.keys()].filter((name) => !found.has(name));
  const extra = [...found.keys()].filter((name) => !wanted.has(name));
  if (changed.length + missing.length + extra.length === 0)
    return [`The ${kind} rules of ${bucket} are as they should be.`];
  return [
    `The ${kind} rules of ${bucket} differ; a deploy sets them:`,
    ...missing.map((name) => `  + ${name}`),
    ...extra.map((name) => `  - ${name}`),
    ...changed.map(
      ([name, age]) => `  ~ ${name}: ${found.get(name) || "never"}, should be ${age || "never"}`,
    ),
  ];
}

function firstLine(output: string): string {
  const lines = stripVTControlCharacters(output).split("\n");
  const line = lines.find((one) => /error/i.test(one)) ?? lines[0] ?? "";
  return line
    .replace(/^.*?ERROR\]?\s*/, "")
    .trim()
    .slice(0, 120);
}
