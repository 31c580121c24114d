import { beforeAll, describe as group, expect, it } from "vitest";
import type { Context } from "../../../src/worker/context.ts";
import { MemoryBudget } from "../../../src/core/memory-budget.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { askRestore, describe } from "../../support/restores.ts";

/** Faults of a request to the target. */
const FAULTS = {
  /** It never reaches the server. */
  async unsent() {
    throw new Error("no route");
  },
  /** The server executes the request, and the answer is lost. */
  async unanswered(send: () => Promise<Response>) {
    await (await send()).arrayBuffer();
    throw new Error("connection reset");
  },
  /** A proxy in front of the server gives up. */
  async unavailable() {
    return new Response("upstream is away", { status: 503 });
  },
} satisfies Record<string, (send: () => Promise<Response>) => Promise<Response>>;

let context: Context;
/** The data to restore: SQL of more than 2 MB takes two requests, pages of less than 4 MB one. */
const ROWS = { pages: 10, statements: 110 } as const;
const stored = {} as Record<keyof typeof ROWS, { path: string; expected: string[] }>;

beforeAll(async () => {
  for (const way of ["pages", "statements"] as const) {
    const source = await PageDatabase.create(`
      CREATE TABLE other(a); INSERT INTO other VALUES (1.0);
      CREATE TABLE t(id INTEGER PRIMARY KEY, pad TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS[way]})
      INSERT INTO t (pad) SELECT hex(randomblob(10000)) FROM n`);
    context = testContext({ small: source.config }, { memory: new MemoryBudget(2 ** 40) });
    const { backupId } = await backUp(context, manualRun("small"));
    stored[way] = {
      path: `/v1/backups/${backupId}/restore`,
      expected: await describe(source),
    };
  }
});

/** Create a context in which the `first` to the `last` request to a target go wrong, counted from 1. */
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

/** For each fault, once or from then on: all possible outcomes, wherever it strikes. */
const CASES = [
  // It does not matter if closing the connection fails.
  ["pages", "unsent", 1, "RESTORE_INCOMPLETE RESTORE_UNVERIFIED TARGET_UNREACHABLE complete"],
  ["pages", "unavailable", 1, "RESTORE_INCOMPLETE RESTORE_UNVERIFIED TARGET_FAILED complete"],
  // If the answer to the COMMIT or to the mark is lost, reading the mark shows the outcome.
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

type Case = (typeof CASES)[number];

/** Run a restore in which the `nth` request, and those after it, go wrong; returns how it ended. */
async function spoiledAt(nth: number, [way, fault, times]: Case): Promise<string> {
  const { path, expected } = stored[way];
  const target = await PageDatabase.create();
  const { context: faulty, seen } = spoiled(target, fault, nth, nth + times - 1);
  const body = { target: target.config, verify: true, way };
  const { last } = await askRestore(faulty, path, body);
  const at = `${way}, ${fault}, request ${nth}: ${JSON.stringify(last)}`;
  expect(seen.requests, at).toBeGreaterThanOrEqual(nth);
  const code: string = last.done === undefined ? (last.error ?? last).code : "complete";
  const whole = JSON.stringify(await describe(target)) === JSON.stringify(expected);
  if (code === "complete" || code === "RESTORE_UNVERIFIED") {
    expect(whole, at).toBe(true);
    return code;
  }
  // Whatever was left: the same restore again completes it, unless it is complete already.
  const again = await askRestore(context, path, body);
  if (whole) {
    expect(code, at).toBe("RESTORE_UNKNOWN");
    expect(again.last.code, at).toBe("TARGET_NOT_EMPTY");
    return code;
  }
  expect(again.last, `${at}, then ${JSON.stringify(again.last)}`).toHaveProperty("done");
  expect(await describe(target), at).toEqual(expected);
  return code;
}

/** Count the requests of a restore when nothing goes wrong. */
async function requestsOf(way: Case[0]): Promise<number> {
  const target = await PageDatabase.create();
  const { context: well, seen } = spoiled(target, "unsent", Infinity, Infinity);
  const body = { target: target.config, verify: true, way };
  expect((await askRestore(well, stored[way].path, body)).last).toHaveProperty("done");
  return seen.requests;
}

group("a restore whose requests go wrong", () => {
  it.each(CASES)("by %s, %s, %d in a row, ends: %s", { timeout: 600_000 }, async (...spoil) => {
    const [way, , , known] = spoil;
    const all = Array.from({ length: await requestsOf(way) }, (_, at) => at + 1);
    // All at once: a server holds a transaction whose answer was lost for 5 s.
    const ends = await Promise.all(all.map((nth) => spoiledAt(nth, spoil as unknown as Case)));
    expect([...new Set(ends)].toSorted().join(" "), ends.join(" ")).toBe(known);
  });
});
