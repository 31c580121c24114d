import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import { backupAnswer, startFakeNightjar } from "../../support/fake-nightjar.ts";
import { runCli, runOnTerminal } from "../../support/run-cli.ts";

/** The command line against a Nightjar that sends as much of an answer as a test wants. */
let nightjar: Awaited<ReturnType<typeof startFakeNightjar>>;
let dir: string;
let children: ChildProcess[];
const inDir = (name: string) => join(dir, name);
const modeOf = (name: string) => (statSync(inDir(name)).mode & 0o777).toString(8);

const SQL = "BEGIN;\nCREATE TABLE t (v);\nINSERT INTO t VALUES ('restored');\nCOMMIT;\n";
let database: Buffer;

/** Send half of a body and then stop. */
const half = (body: Buffer) => (response: ServerResponse) => {
  response.setHeader("content-length", body.length);
  response.write(body.subarray(0, body.length >> 1));
};
let sendSql = (response: ServerResponse): void => void response.end(SQL);
let sendDatabase = (response: ServerResponse): void => void response.end(database);

beforeAll(async () => {
  const made = mkdtempSync(join(tmpdir(), "nightjar-made-"));
  const file = new DatabaseSync(join(made, "x.db"));
  file.exec("CREATE TABLE t (v); INSERT INTO t VALUES ('restored')");
  file.close();
  database = readFileSync(join(made, "x.db"));
  rmSync(made, { recursive: true });
  const sha256 = createHash("sha256").update(database).digest("hex");
  const newest = backupAnswer({ raw: { bytes: database.length, sha256 } });
  const run = { id: "run-1", database: "shop", state: "capturing", finishedAt: null, attempt: 1 };
  nightjar = await startFakeNightjar({
    "GET /v1/databases/shop": { name: "shop", log: null, newestBackup: newest },
    "GET /v1/databases/shop/erasures": { erasures: [] },
    "GET /v1/databases/shop/backups/latest": newest,
    "POST /v1/databases/shop/backups": { ...run, rawBytes: 0, backupId: null },
    "GET /v1/runs/run-1": { ...run, rawBytes: 0, backupId: null },
    "POST /v1/backups/aaaaaaaaaaaa/links": (request, response) => {
      request.setEncoding("utf8").once("data", (text: string) => {
        const { format } = JSON.parse(text) as { format: string };
        const url = `${nightjar.url}/d/${format}/shop.${format}`;
        response.end(JSON.stringify({ url, erasures: 0 }));
      });
    },
    "GET /d/db/shop.db": (_, response) => sendDatabase(response),
    "GET /d/sql/shop.sql": (_, response) => sendSql(response),
    "POST /v1/backups/aaaaaaaaaaaa/restore": (_, response) => {
      response.write('{"plan":{}}\n{"state":"writing","pages":1,"of":9}\n');
    },
  });
});
afterAll(() => nightjar.stop());

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "nightjar-files-"));
  children = [];
  sendDatabase = (response) => void response.end(database);
  sendSql = (response) => void response.end(SQL);
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

/** Start a command and wait until its output satisfies `until`. */
async function begun(args: string[], until: (err: string) => boolean) {
  const env = { ...process.env, INIT_CWD: dir, ...nightjar.env };
  const child = spawn(process.execPath, [join(ROOT, "src/cli/main.ts"), ...args], {
    cwd: dir,
    env,
  });
  children.push(child);
  let err = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const ended = new Promise<number | null>((done) => child.on("close", done));
  while (!until(err)) {
    expect(child.exitCode, err).toBeNull();
    await sleep(20);
  }
  return {
    ended: async () => ({ code: await ended, err }),
    async stop(signal: "SIGINT" | "SIGTERM") {
      child.kill(signal);
      const code = await ended;
      return { code, err };
    },
  };
}

/** Send half of a body, and the rest after `finish` is called. */
function halves(body: Buffer) {
  const { promise, resolve: finish } = Promise.withResolvers<void>();
  const send = (response: ServerResponse) => {
    half(body)(response);
    void promise.then(() => response.end(body.subarray(body.length >> 1)));
  };
  return { send, finish };
}

const lying = (suffix: string) => () => readdirSync(dir).some((name) => name.endsWith(suffix));

describe("every file that a command writes", () => {
  it("is for its user alone", async () => {
    const lines = {
      "pull shop": "shop.db",
      "pull shop --format sql -o x.sql": "x.sql",
      "download shop -o d.db": "d.db",
      "restore shop --to r.db": "r.db",
      "restore shop --to s.db --schema-only": "s.db",
    };
    for (const [line, name] of Object.entries(lines)) {
      const { code, err } = await runCli(line.split(" "), dir, nightjar.env);
      expect({ line, code, err }).toMatchObject({ code: 0 });
      expect(modeOf(name), line).toBe("600");
    }
    expect(readdirSync(dir).toSorted()).toEqual(Object.values(lines).toSorted());
  });

  it("is so in place of one that others could read, which keeps its mode under its new name", async () => {
    const open = new DatabaseSync(inDir("x.db"));
    open.exec("CREATE TABLE t (v)");
    open.close();
    chmodSync(inDir("x.db"), 0o644);
    const into = (...args: string[]) =>
      runCli(["restore", "shop", "--to", "x.db", ...args], dir, nightjar.env);
    expect(await into("--data-only")).toMatchObject({ code: 0 });
    expect(modeOf("x.db")).toBe("600");
    chmodSync(inDir("x.db"), 0o644);
    expect(await into("--overwrite", "--yes")).toMatchObject({ code: 0 });
    expect(modeOf("x.db")).toBe("600");
    const [aside] = readdirSync(dir).filter((name) => name.includes(".before-"));
    expect(modeOf(aside!)).toBe("644");
    chmodSync(inDir("x.db"), 0o644);
    const pulled = await runCli(["pull", "shop", "-o", "x.db", "--overwrite"], dir, nightjar.env);
    expect(pulled).toMatchObject({ code: 0 });
    expect(modeOf("x.db")).toBe("600");
  });
});

describe("a signal", () => {
  it.each([
    ["pull shop", ".part", "SIGINT", 130],
    ["pull shop", ".part", "SIGTERM", 143],
    ["restore shop --to x.db", ".part", "SIGTERM", 143],
    ["pull shop -o old.db --overwrite", ".part", "SIGINT", 130],
  ] as const)(
    "nightjar %s: removes what is unfinished (%s), on %s",
    async (line, suffix, signal, code) => {
      sendDatabase = half(database);
      writeFileSync(inDir("old.db"), "old");
      const command = await begun(line.split(" "), lying(suffix));
      const ended = await command.stop(signal);
      expect(ended.code).toBe(code);
      expect(ended.err).toContain(`Stopped by ${signal}.`);
      expect(ended.err).toContain("What was unfinished on this machine is removed.");
      expect(readdirSync(dir)).toEqual(["old.db"]);
      expect(readFileSync(inDir("old.db"), "utf8")).toBe("old");
    },
  );

  it.each([
    [
      "restore shop --to http://127.0.0.1:1 --token-env NIGHTJAR_TOKEN",
      "writing page 1",
      "_nightjar_restore",
    ],
    ["backup shop", "capturing", "Run run-1 goes on without this command"],
  ])("nightjar %s: tells how things are elsewhere", async (line, progress, words) => {
    const command = await begun(line.split(" "), (err) => err.includes(progress));
    const { code, err } = await command.stop("SIGINT");
    expect(code).toBe(130);
    expect(err).toContain("nightjar: Stopped by SIGINT.\n");
    expect(err).toContain(words);
  });

  it("is an error for programs too", async () => {
    sendDatabase = half(database);
    const command = await begun(["pull", "shop", "--json"], lying(".part"));
    const { code, err } = await command.stop("SIGTERM");
    expect(code).toBe(143);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "STOPPED" } });
  });
});

describe("a name", () => {
  it("has a file at every moment while it is replaced", async () => {
    writeFileSync(inDir("x.db"), "old");
    let looked = 0;
    const commands = (async () => {
      for (let count = 0; count < 2; count++)
        expect(
          await runCli(
            ["restore", "shop", "--to", "x.db", "--overwrite", "--yes"],
            dir,
            nightjar.env,
          ),
        ).toMatchObject({ code: 0 });
    })();
    let done = false;
    void commands.finally(() => (done = true));
    while (!done) {
      for (let count = 0; count < 2000; count++, looked++)
        if (!existsSync(inDir("x.db"))) throw new Error("there was no file");
      await new Promise((next) => setImmediate(next));
    }
    await commands;
    expect(looked).toBeGreaterThan(2000);
    expect(readdirSync(dir)).toHaveLength(3);
  });

  it.each([
    ["no terminal", undefined, "there is no terminal to confirm it on", 2],
    ["no", "no", "was not confirmed", 2],
    ["an empty line", "", "was not confirmed", 2],
    ["Ctrl-C", "\u0003", "Stopped by SIGINT", 130],
    ["yes", "yes", undefined, 0],
  ])(
    "is replaced by a restore only where somebody confirms it: %s",
    async (_, answer, refused, exit) => {
      writeFileSync(inDir("x.db"), "old");
      const line = ["restore", "shop", "--to", "x.db", "--overwrite"];
      const { code, err } =
        answer === undefined
          ? await runCli(line, dir, nightjar.env)
          : await runOnTerminal(line, dir, nightjar.env, answer);
      if (answer !== undefined) expect(err).toContain("The existing file would become");
      if (refused === undefined) {
        expect({ code, err }).toMatchObject({ code: exit });
        expect(readFileSync(inDir("x.db"))).toEqual(database);
        expect(readdirSync(dir)).toHaveLength(2);
      } else {
        expect(code).toBe(exit);
        expect(err).toContain(refused);
        expect(readFileSync(inDir("x.db"), "utf8")).toBe("old");
        expect(readdirSync(dir)).toEqual(["x.db"]);
      }
    },
  );

  it("that was given to another file meanwhile is not taken", async () => {
    const { send, finish } = halves(database);
    sendDatabase = send;
    const command = await begun(["pull", "shop"], lying(".part"));
    writeFileSync(inDir("shop.db"), "theirs");
    finish();
    const { code, err } = await command.ended();
    expect(code).toBe(2);
    expect(err).toContain("is there already");
    expect(readFileSync(inDir("shop.db"), "utf8")).toBe("theirs");
    expect(readdirSync(dir)).toEqual(["shop.db"]);
  });

  it.each([
    ["pull shop --overwrite", "-wal"],
    ["pull shop", "-journal"],
    ["download shop -o shop.db --overwrite", "-wal"],
    ["restore shop --to shop.db --overwrite --yes", "-wal"],
  ])("nightjar %s: is left alone beside the %s of an open database", async (line, suffix) => {
    if (line !== "pull shop") writeFileSync(inDir("shop.db"), "old");
    writeFileSync(inDir(`shop.db${suffix}`), "frames of the old database");
    const { code, err } = await runCli(line.split(" "), dir, nightjar.env);
    expect(code).toBe(2);
    expect(err).toContain("the database is in use, or was not closed");
    if (line !== "pull shop") expect(readFileSync(inDir("shop.db"), "utf8")).toBe("old");
    else expect(existsSync(inDir("shop.db"))).toBe(false);
  });

  it.each([
    "pull shop --overwrite",
    "download shop -o shop.db --overwrite",
    "restore shop --to shop.db --overwrite --yes",
  ])("nightjar %s: is left alone where the database was opened meanwhile", async (line) => {
    const { send, finish } = halves(database);
    sendDatabase = send;
    writeFileSync(inDir("shop.db"), "old");
    const command = await begun(line.split(" "), lying(".part"));
    writeFileSync(inDir("shop.db-wal"), "frames");
    finish();
    const { code, err } = await command.ended();
    expect(code).toBe(2);
    expect(err).toContain("the database is in use, or was not closed");
    expect(readFileSync(inDir("shop.db"), "utf8")).toBe("old");
    expect(readdirSync(dir).toSorted()).toEqual(["shop.db", "shop.db-wal"]);
  });

  it("of a file that rows are put into is left alone where somebody wrote to it meanwhile", async () => {
    const { send, finish } = halves(Buffer.from(SQL));
    sendSql = send;
    const open = new DatabaseSync(inDir("x.db"));
    open.exec("CREATE TABLE t (v); CREATE TABLE theirs (v)");
    const line = "restore shop --to x.db --data-only";
    const command = await begun(line.split(" "), lying(".restoring"));
    open.exec("INSERT INTO theirs VALUES ('written meanwhile')");
    finish();
    const { code, err } = await command.ended();
    expect(code).toBe(3);
    expect(err).toContain("Somebody wrote to");
    expect(err).toContain("nothing was changed");
    const rows = (table: string) => open.prepare(`SELECT v FROM ${table}`).all();
    expect([rows("t"), rows("theirs")]).toEqual([[], [{ v: "written meanwhile" }]]);
    open.close();
    expect(readdirSync(dir)).toEqual(["x.db"]);
  });
});
