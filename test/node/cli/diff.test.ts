import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DIFF, DIFF_ROWS, DIFF_SQL } from "../../../src/http/answers/diff.ts";
import { backupAnswer, startFakeNightjar } from "../../support/fake-nightjar.ts";
import { runCli } from "../../support/run-cli.ts";

const PATH = "POST /v1/databases/shop/diff";
const NO_SQL = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n";
const AT = "2026-11-20T07:56:10Z";

let server: Awaited<ReturnType<typeof startFakeNightjar>>;
let asked: unknown[] = [];
/** The answer to a diff, by its detail. */
let answers: Record<string, string>;
let cut = false;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = JSON.parse(await text(request)) as { detail: string };
  asked.push(body);
  response.setHeader("content-type", "application/json");
  response.write(answers[body.detail]!);
  if (cut) setTimeout(() => response.destroy(), 50);
  else response.end();
}

beforeAll(async () => {
  server = await startFakeNightjar({
    "GET /v1/databases/shop/backups/latest": backupAnswer({ id: "newest000000" }),
    "GET /v1/databases/shop/backups/firstbackup1": backupAnswer({ id: "first0000000" }),
    [PATH]: (request, response) => void answer(request, response),
  });
});
afterAll(() => server.stop());
beforeEach(() => {
  asked = [];
  cut = false;
  answers = { summary: JSON.stringify(DIFF), rows: DIFF_ROWS, sql: DIFF_SQL };
});

const diff = (...args: string[]) => runCli(["diff", "shop", ...args], tmpdir(), server.env);

describe("nightjar diff", () => {
  it("shows what differs between a backup and a moment, in 80 columns", async () => {
    const { code, out, err } = await diff("latest", AT);
    expect(asked).toEqual([
      { from: { backup: "newest000000" }, to: { at: AT }, detail: "summary" },
    ]);
    expect(out).toContain("+ index orders_by_city on orders\n");
    expect(out).toMatch(/^ +table +added +removed +changed\n~ +orders +\+1 +~1$/m);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(err).toContain("Read 9 of 50000 pages.");
    expect(code).toBe(0);
  });

  it("shows the rows of a table, with nothing in them that a terminal would obey", async () => {
    answers["rows"] = DIFF_ROWS.replace('"paid"', '"\\u001b[31mpaid"');
    const { code, out } = await diff("firstbackup1", "latest", "--table", "orders,items");
    expect(asked).toMatchObject([{ tables: ["orders", "items"], detail: "rows" }]);
    expect(out).toContain("~ orders id=42  status: 'open' → '\\x1b[31mpaid'\n");
    expect(out).toContain("+ orders id=43  id: 43, status: 'open'\n");
    expect(out).toContain("+ CREATE INDEX orders_by_city ON orders(city)");
    expect(code).toBe(0);
    await diff("firstbackup1", "latest", "--table", "orders", "--summary");
    expect(asked.at(-1)).toMatchObject({ tables: ["orders"], detail: "summary" });
  });

  it("prints lines of JSON, or one document, for programs", async () => {
    const lines = await diff("firstbackup1", AT, "--json");
    expect(lines.out).toBe(DIFF_ROWS);
    const { out } = await diff("firstbackup1", AT, "--json", "--summary");
    expect(JSON.parse(out)).toEqual(DIFF);
  });

  it("prints SQL as it is", async () => {
    expect(await diff("firstbackup1", AT, "--sql")).toMatchObject({ code: 0, out: DIFF_SQL });
  });

  it("ends with 1 where sides differ, if asked to", async () => {
    const same = { ...DIFF, different: false, objects: [], tables: [] };
    for (const option of [[], ["--sql"], ["--json"]]) {
      const { code, err } = await diff("firstbackup1", AT, "--exit-code", ...option);
      expect(code).toBe(1);
      expect(err).toContain(`firstbackup1 and ${AT} differ.`);
    }
    answers["summary"] = JSON.stringify(same);
    answers["sql"] = NO_SQL;
    const { code, out } = await diff("firstbackup1", AT, "--exit-code");
    expect([code, out]).toEqual([0, expect.stringContaining("Nothing differs in 12 tables.")]);
    expect((await diff("firstbackup1", AT, "--exit-code", "--sql")).code).toBe(0);
  });

  it("takes no answer that broke off for the whole", async () => {
    const broken = async (...args: string[]) => {
      const { code, err } = await diff("firstbackup1", AT, ...args);
      expect(code).toBe(1);
      expect(err).toContain("is not all that differs");
    };
    answers["rows"] = DIFF_ROWS.split("\n").slice(0, 2).join("\n");
    await broken("--json");
    answers["rows"] = DIFF_ROWS.slice(0, -1);
    await broken("--table", "orders");
    answers["sql"] = DIFF_SQL.replace("COMMIT;\n", "");
    await broken("--sql");
    cut = true;
    await broken("--sql");
    await broken("--summary");
  });

  it("tells the error of the last line", async () => {
    const error = { code: "OBJECT_CORRUPT", message: "a page is damaged", hint: "try another" };
    answers["rows"] = `${DIFF_ROWS.split("\n")[0]}\n${JSON.stringify({ error })}\n`;
    const { code, err } = await diff("firstbackup1", AT, "--json");
    expect([code, err]).toEqual([1, expect.stringContaining("a page is damaged")]);
  });
});
