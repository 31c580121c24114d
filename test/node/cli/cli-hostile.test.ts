import { tmpdir } from "node:os";
import { afterAll, beforeAll, expect, it } from "vitest";
import { backupAnswer, startFakeNightjar } from "../../support/fake-nightjar.ts";
import { runCli } from "../../support/run-cli.ts";

/**
 * Hostile text for a name, label, value or server message: it sets a title, clears the screen, reverses text,
 * starts a line.
 */
const EVIL = "\u001b]0;owned\u0007\u009b2J\u202e\u2028\r\nnightjar: all is well\u007f";
const SHOWN = String.raw`\x1b]0;owned\x07\x9b2J\u202e\u2028\x0d\x0anightjar: all is well\x7f`;

const backup = backupAnswer({
  name: EVIL,
  pin: { reason: EVIL },
  warnings: [{ where: EVIL, count: 1, message: EVIL }],
  knownBad: { act: "drill", outcome: "failed", at: EVIL, problem: { code: "X", message: EVIL } },
});
const error = { code: EVIL, message: EVIL, hint: EVIL };
const database = {
  name: EVIL,
  state: "failed",
  backups: 1,
  newestBackup: { ...backup, copy: { state: "failed", error } },
  newestDrilled: null,
  nextScheduledAt: null,
  log: null,
  lastRun: { error },
  follow: { failures: 1, error },
};
const proof = {
  backup: "aaaaaaaaaaaa",
  outcome: "failed",
  problem: error,
  recoveryMs: null,
  checks: [{ name: EVIL, ok: false, detail: EVIL }],
};
const plan = {
  subject: { database: EVIL, backup: null, kind: EVIL, asOf: EVIL, bytes: 1 },
  target: { url: EVIL, namespace: EVIL, database: null, state: "empty" },
  tables: [{ name: EVIL, rows: 1 }],
  drops: [EVIL],
  notes: [EVIL],
  loss: { words: EVIL },
  ...{ way: EVIL, why: EVIL, only: null, saves: false },
};

let nightjar: Awaited<ReturnType<typeof startFakeNightjar>>;

beforeAll(async () => {
  const id = "/v1/backups/aaaaaaaaaaaa";
  nightjar = await startFakeNightjar({
    "GET /v1/databases": { databases: [{ ...database, origin: null, group: EVIL }] },
    "GET /v1/coverage": {
      ...{ organization: EVIL, listedAt: null, error, mistakes: [{ path: EVIL, fix: EVIL }] },
      counts: { configured: 1, found: 1, unprotected: 1, gone: 0 },
      databases: [
        { name: EVIL, group: EVIL, protected: false, why: EVIL, state: null, words: EVIL },
      ],
      next: null,
    },
    "GET /v1/databases/shop": database,
    "GET /v1/databases/shop/backups": { configured: true, backups: [backup], next: EVIL },
    "GET /v1/databases/shop/backups/latest": backup,
    "GET /v1/databases/shop/erasures": { erasures: [] },
    "GET /v1/databases/shop/timeline": {
      window: { from: EVIL, to: EVIL },
      changes: [{ at: EVIL, commits: EVIL, pages: EVIL, bytes: 1, whole: false }],
    },
    "GET /v1/databases/refused": (_, response) => {
      response.statusCode = 404;
      response.end(JSON.stringify({ detail: EVIL, hint: EVIL, code: EVIL }));
    },
    [`POST ${id}/query`]: { columns: [EVIL], rows: [[EVIL], [{ blob: EVIL }]] },
    [`POST ${id}/drill`]: proof,
    [`POST ${id}/pin`]: { database: EVIL, key: EVIL },
    [`POST ${id}/links`]: { url: EVIL, erasures: 0 },
    [`POST ${id}/copy`]: { backup: EVIL, state: "failed", error },
    [`POST ${id}/restore`]: (request, response) => {
      request.setEncoding("utf8").once("data", (body: string) => {
        if ((JSON.parse(body) as { dryRun: boolean }).dryRun) {
          response.end(JSON.stringify({ plan }));
          return;
        }
        response.write(`${JSON.stringify({ plan })}\n`);
        response.write(`${JSON.stringify({ state: "verifying", table: EVIL, rows: 1 })}\n`);
        response.end(`${JSON.stringify({ error })}\n`);
      });
    },
    "POST /v1/prune": {
      dryRun: false,
      verdicts: [{ ...backup, keep: true, database: EVIL, reason: EVIL, pinChange: null }],
      failures: [{ id: EVIL, ...error }],
    },
    "POST /v1/rebuild": {
      backups: 1,
      entered: 1,
      lineages: 0,
      left: [{ key: EVIL, error }],
      next: null,
    },
    "POST /v1/reconcile": {
      entered: [EVIL],
      missing: [EVIL],
      verifying: [],
      orphans: [],
      foreign: 0,
    },
  });
});
afterAll(() => nightjar.stop());

/** Commands also tried with --json: they all print it the same way. */
const WITH_JSON = new Set(["status", "coverage", "list", "drill", "restore"]);

it("no command prints what a terminal would obey, and none leaves it out", async () => {
  const commands = [
    ["status"],
    ["status", "refused"],
    ["databases"],
    ["coverage"],
    ["list", "shop"],
    ["timeline", "shop"],
    ["query", "shop", "SELECT 1"],
    ["drill", "shop"],
    ["pin", "shop"],
    ["url", "shop"],
    ["copy", "shop"],
    ["restore", "shop", "--to", "https://db.example", "--dry-run"],
    ["restore", "shop", "--to", "https://db.example"],
    ["prune"],
    ["rebuild"],
    ["reconcile"],
    [`no\u001b[2Jsuch\u202ecommand`],
    ["list", EVIL],
    ["backup", "shop", "--label", EVIL],
  ];
  for (let at = 0; at < commands.length; at += 3)
    await Promise.all(
      commands.slice(at, at + 3).flatMap((command) =>
        (WITH_JSON.has(command[0]!) ? [[], ["--json"]] : [[]]).map(async (json) => {
          const { out, err } = await runCli([...command, ...json], tmpdir(), nightjar.env);
          const what = JSON.stringify({ command, json, out, err });
          // eslint-disable-next-line no-control-regex
          expect(out + err, what).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]/);
          expect(out + err, what).not.toMatch(/^nightjar: all is well/m);
          expect(out + err, what).toMatch(/\\x1b|\\u001b/);
          if (json.length === 0) return;
          if (out !== "") JSON.parse(out);
          const [last] = err.trim().split("\n").slice(-1);
          if (last?.startsWith("{")) JSON.parse(last);
        }),
      ),
    );
  const { out } = await runCli(["query", "shop", "SELECT 1"], tmpdir(), nightjar.env);
  expect(out.split("\n").slice(0, 2)).toEqual([SHOWN, SHOWN]);
  const listed = await runCli(["list", "shop", "--json"], tmpdir(), nightjar.env);
  expect(JSON.parse(listed.out)).toMatchObject({ backups: [{ name: EVIL }] });
}, 240_000);
