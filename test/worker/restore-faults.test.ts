import { beforeAll, describe as group, expect, it } from "vitest";
import type { Context } from "../../src/context.ts";
import { backUp, manualRun, testContext } from "../support/context.ts";
import { PageDatabase } from "../support/page-database.ts";
import { askRestore, describe } from "../support/restores.ts";

/** What can happen to a request to the target. */
const FAULTS = {
  /** It never reaches the server. */
  async unsent() {
    throw new Error("no route");
  },
  /** The server does what it was asked, and the answer is lost. */
  async unanswered(send: () => Promise<Response>) {
    await (await send()).arrayBuffer();
    throw new Error("connection reset");
  },
  /** A proxy before the server gives up. */
  async unavailable() {
    return new Response("upstream is away", { status: 503 });
  },
} satisfies Record<string, (send: () => Promise<Response>) => Promise<Response>>;

let context: Context;
let path: string;
let expected: string[];

beforeAll(async () => {
  const source = await PageDatabase.create("CREATE TABLE other(a); INSERT INTO other VALUES (1.0)");
  await source.fill("t", 9_000);
  context = testContext({ small: source.config });
  const run = await backUp(context, manualRun("small"));
  path = `/v1/backups/${run.backupId}/restore`;
  expected = await describe(source);
});

/** The context, in which requests to a target go wrong from the `first` to the `last` one, counted from 1. */
function spoiled(target: PageDatabase, fault: keyof typeof FAULTS, first: number, last: number) {
  const seen = { requests: 0 };
  const fetchWell = context.deps.fetch;
  const namespace = btoa(target.namespace).replace(/=+$/, "");
  const deps: Context["deps"] = {
    ...context.deps,
    sleep: async () => {},
    fetch: (url, init) => {
      const to = new Headers(init.headers).get("x-namespace-bin");
      const send = () => fetchWell(url, init);
      if (to !== namespace) return send();
      seen.requests++;
      return seen.requests >= first && seen.requests <= last ? FAULTS[fault](send) : send();
    },
  };
  return { context: { ...context, deps }, seen };
}

/** With each fault, once or from then on: all the ends that it leads to, wherever it strikes. */
const CASES = [
  ["pages", "unsent", 1, "RESTORE_INCOMPLETE RESTORE_UNVERIFIED TARGET_UNREACHABLE"],
  ["pages", "unavailable", 1, "RESTORE_INCOMPLETE RESTORE_UNVERIFIED TARGET_FAILED"],
  // The answer to the COMMIT, and to the mark, are made up for by a look at the mark.
  ["pages", "unanswered", 1, "RESTORE_INCOMPLETE RESTORE_UNVERIFIED TARGET_UNREACHABLE complete"],
  [
    "pages",
    "unanswered",
    Infinity,
    "RESTORE_INCOMPLETE RESTORE_UNKNOWN RESTORE_UNVERIFIED TARGET_UNREACHABLE",
  ],
  ["statements", "unsent", 1, "RESTORE_INCOMPLETE TARGET_UNREACHABLE complete"],
  ["statements", "unavailable", 1, "RESTORE_INCOMPLETE TARGET_FAILED complete"],
  ["statements", "unanswered", 1, "RESTORE_INCOMPLETE TARGET_UNREACHABLE complete"],
  ["statements", "unsent", Infinity, "RESTORE_INCOMPLETE RESTORE_UNKNOWN TARGET_UNREACHABLE"],
  ["statements", "unanswered", Infinity, "RESTORE_INCOMPLETE RESTORE_UNKNOWN TARGET_UNREACHABLE"],
] as const;

group("a restore whose requests go wrong", () => {
  it.each(CASES)("by %s, %s, %d in a row, ends: %s", { timeout: 600_000 }, async (...spoil) => {
    const [way, fault, times, known] = spoil;
    const ends: Record<string, number> = {};
    const count = (end: string) => (ends[end] = (ends[end] ?? 0) + 1);
    for (let nth = 1; ; nth++) {
      const target = await PageDatabase.create();
      const { context: faulty, seen } = spoiled(target, fault, nth, nth + times - 1);
      const body = { target: target.config, verify: true, way };
      const { last } = await askRestore(faulty, path, body);
      if (seen.requests < nth) {
        expect(last, JSON.stringify(last)).toHaveProperty("done");
        break;
      }
      const at = `${way}, ${fault}, request ${nth}: ${JSON.stringify(last)}`;
      const code: string = last.done === undefined ? (last.error ?? last).code : "complete";
      count(code);
      const whole = JSON.stringify(await describe(target)) === JSON.stringify(expected);
      if (code === "complete" || code === "RESTORE_UNVERIFIED") {
        expect(whole, at).toBe(true);
        continue;
      }
      // Whatever it left behind: the same restore again makes it whole, unless it is already.
      const again = await askRestore(context, path, body);
      if (whole) {
        expect(code, at).toBe("RESTORE_UNKNOWN");
        expect(again.last.code, at).toBe("TARGET_NOT_EMPTY");
        continue;
      }
      expect(again.last, `${at}, then ${JSON.stringify(again.last)}`).toHaveProperty("done");
      expect(await describe(target), at).toEqual(expected);
    }
    expect(Object.keys(ends).toSorted().join(" "), JSON.stringify(ends)).toBe(known);
  });
});
