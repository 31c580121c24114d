import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { keyOf } from "../../../src/cli/commands/history.ts";
import { restoreLine } from "../../../src/cli/restore/row-command.ts";
import { HISTORY } from "../../../src/http/answers/history.ts";
import { ROWS_PLANNED } from "../../../src/http/answers/restore-rows.ts";
import { backupAnswer, startFakeNightjar } from "../../support/fake-nightjar.ts";
import { runCli } from "../../support/run-cli.ts";

const AT = "2026-11-20T07:56:10Z";

let server: Awaited<ReturnType<typeof startFakeNightjar>>;
let asked: Record<string, unknown>[] = [];
let history: object[] = [];
let planned: object = ROWS_PLANNED;

const answering =
  (give: (body: Record<string, unknown>) => object) =>
  async (request: IncomingMessage, response: ServerResponse) => {
    const body = JSON.parse(await text(request)) as Record<string, unknown>;
    asked.push(body);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(give(body)));
  };
const answerHistory = answering(() => (history.length > 1 ? history.shift()! : history[0]!));
const answerRows = answering(({ dryRun }) => ({ ...planned, written: dryRun === false }));

beforeAll(async () => {
  server = await startFakeNightjar({
    "GET /v1/databases/shop/backups/latest": backupAnswer({ id: "newest000000" }),
    "POST /v1/databases/shop/history": (request, response) => void answerHistory(request, response),
    "POST /v1/databases/shop/restore-rows": (request, response) =>
      void answerRows(request, response),
  });
});
afterAll(() => server.stop());
beforeEach(() => {
  asked = [];
  history = [HISTORY];
  planned = ROWS_PLANNED;
});

const run = (...args: string[]) => runCli(args, tmpdir(), server.env);

describe("nightjar history", () => {
  it("shows when a row changed and how, in 80 columns, and how to bring it back", async () => {
    const { code, out, err } = await run("history", "shop", "orders", "42", "--since", AT);
    expect(asked).toEqual([{ table: "orders", key: [42], limit: 100, since: AT }]);
    expect(out).toContain("shop: orders id=42\n");
    expect(out).toContain("~ 2026-11-20T07:56:10.000Z changed\n");
    expect(out).toContain("  status: 'open' → 'paid'\n");
    expect(out).toContain("= 2026-11-20T01:58:40.000Z there\n  from backup 3k9f0xq2v7ma\n");
    const [command, ...lines] = out.trimEnd().split("\n").toReversed();
    expect(command).toBe(
      'Bring back what it was: nightjar restore shop --rows orders --where "id = 42" --backup 3k9f0xq2v7ma --to-database shop --dry-run',
    );
    const all = [...lines, ...err.split("\n")];
    expect(Math.max(...all.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(err).toContain("Looked at 4 states (1 in backups)");
    expect(code).toBe(0);
  });

  it("goes on where Nightjar stopped, up to the limit, and tells what was not looked at", async () => {
    const part = { ...HISTORY, truncated: true, met: "time", next: "there-7" };
    history = [{ ...part, changes: HISTORY.changes.slice(0, 1) }, HISTORY];
    const { out } = await run("history", "shop", "orders", "42", "--json");
    expect(asked.map(({ cursor }) => cursor)).toEqual([undefined, "there-7"]);
    const told = JSON.parse(out);
    expect(told.changes).toHaveLength(3);
    expect(told).toMatchObject({ truncated: false, looked: { states: 7, read: 4 } });
    history = [{ ...part, met: "changes" }];
    const { err } = await run("history", "shop", "orders", "42", "--limit", "2");
    expect(err).toContain(
      "Older states were not looked at (limit: changes): give a higher --limit",
    );
  });

  it("takes keys of every kind", () => {
    expect(keyOf("42")).toEqual([42]);
    expect(keyOf("007")).toEqual(["007"]);
    expect(keyOf("-5,x,a b")).toEqual([-5, "x", "a b"]);
    expect(keyOf("9007199254740993")).toEqual([{ integer: "9007199254740993" }]);
    expect(keyOf("x'00ff','42','it''s, so'")).toEqual([{ blob: "AP8=" }, "42", "it's, so"]);
    expect(keyOf("ann@x.example")).toEqual(["ann@x.example"]);
  });

  it("writes commands that a shell and SQL read as they are meant", () => {
    const state = { asOf: AT, backup: null, txid: 1, change: "added" };
    expect(restoreLine("shop", "my table", [["a b", "it's $5"]], state)).toBe(
      `nightjar restore shop --rows "my table" --where '"a b" = '\\''it'\\'''\\''s $5'\\''' --at ${AT} --to-database shop --dry-run`,
    );
    expect(
      restoreLine(
        "shop",
        "t",
        [
          ["k", { blob: "AP8=" }],
          ["n", { integer: "5" }],
        ],
        state,
      ),
    ).toContain(`--where "k = x'00ff' and n = 5"`);
  });
});

describe("nightjar restore --rows", () => {
  const ROWS = ["restore", "shop", "--rows", "orders", "--where", "id in (41, 42)"];

  it("shows the difference for a dry run, and asks for exactly that afterwards", async () => {
    const dry = await run(...ROWS, "--to-database", "shop", "--dry-run");
    expect(dry.out).toContain("~ orders id=41\n    status: 'paid' → 'open'\n");
    expect(dry.out).toContain("+ orders id=42\n    id: 42\n    status: 'open'\n");
    expect(dry.out).toContain("orders: 1 added, 1 changed, 0 the same already.\n");
    const common = {
      ...{ from: { backup: "newest000000" }, target: { database: "shop" }, table: "orders" },
      ...{ where: "id in (41, 42)", withParents: false },
    };
    expect(asked).toEqual([{ ...common, dryRun: true }]);
    const done = await run(...ROWS, "--to-database", "shop", "--yes");
    expect(asked.slice(1)).toEqual([
      { ...common, dryRun: true },
      { ...common, dryRun: false, plan: ROWS_PLANNED.plan },
    ]);
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toContain("Restored 2 rows of shop as of 2026-11-20T01:58:40.000Z into shop.");
  });

  it("writes nothing that nobody has confirmed, and tells of missing parents", async () => {
    const { code, err } = await run(...ROWS, "--to-database", "shop", "--at", AT);
    expect([code, asked.length]).toEqual([2, 1]);
    expect(err).toMatch(/~ orders id=41[^]*no terminal to confirm it on/);
    planned = {
      ...ROWS_PLANNED,
      missing: [{ table: "people", key: [["id", 7]], referredBy: "orders", stored: true }],
    };
    const dry = await run(...ROWS, "--to-database", "shop", "--dry-run");
    expect(dry.out).toMatch(/! orders refers to people id=7.*--with-parents/);
  });

  it.each([
    ["--rows orders --to-database shop", "--rows needs --where"],
    ["--where 1 --to-database shop", "--where is for --rows only"],
    ["--with-parents --to-database shop", "--with-parents is for --rows only"],
    ["--rows a --where 1 --to x.db", "--rows is for --to-database and --to <address>"],
    ["--rows a --where 1 --to-turso x", "--rows and --to-turso exclude each other"],
    ["--rows a --where 1 --to-database x --overwrite", "--rows and --overwrite exclude each other"],
    ["--rows a --where 1 --to-database x --tables b", "--rows and --tables exclude each other"],
  ])("refuses %s", async (line, words) => {
    const { code, err } = await run("restore", "shop", ...line.split(" "));
    expect([code, asked]).toEqual([2, []]);
    expect(err).toContain(words);
  });
});
