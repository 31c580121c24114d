import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { zstdDecompressSync } from "node:zlib";
import { createClient } from "@libsql/client/http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import type { ServerProcess } from "../../../scripts/lib/server-process.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import { differences, Product, TOKEN } from "../../support/product.ts";
import { runCli } from "../../support/run-cli.ts";

/** The command line against the real Worker. No cron runs here. */
let product: Product;
let shop: ServerProcess;

const nightjar = (...args: string[]) => product.nightjar(...args);
const inDir = (name: string) => join(product.dir, name);

/** Run a command with --json and return its parsed output. */
async function json(...args: string[]): Promise<any> {
  const { code, out, err } = await nightjar(...args, "--json");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out);
}

beforeAll(async () => {
  product = await Product.create();
  shop = await product.sqld("shop");
  await loadShop(shop.url);
  const proxy = await startFaultProxy(shop.url);
  product.stopAtEnd(() => proxy.stop());
  await product.start({
    shop: { url: shop.url, badge: "public" },
    dumped: { url: shop.url, capture: "dump" },
    broken: { url: `${proxy.url}/cut/100000`, capture: "dump", attempts: 1 },
    untouched: { url: shop.url },
  });
});

afterAll(() => product.stop());

describe("backup, list and status", () => {
  it("back up, wait, and show it", async () => {
    const made = await nightjar("backup", "shop", "--name", "by-hand", "--label", "a=b");
    expect(made).toMatchObject({ code: 0 });
    expect(made.out).toMatch(/^Backup [0-9a-z]{12} of shop, .*: 4\.2 MB, stored as 1\.9 MB\.$/m);
    const dumped = await nightjar("backup", "dumped");
    expect(dumped.out).toMatch(/: \d\.\d MB of SQL, stored as 1\.\d MB\.$/m);
    expect((await nightjar("list", "shop")).out).toMatch(/ snapshot .* by-hand/);
    expect((await nightjar("list", "dumped")).out).toMatch(/ dump /);
    const found = await json("list", "shop", "--label", "a=b", "--name", "by", "--tier", "manual");
    expect(found.backups).toMatchObject([{ name: "by-hand", labels: { a: "b" } }]);
    for (const filter of ["--label=a=c", "--tier=deploy", "--since=2100-01-01T00:00:00Z"])
      expect((await nightjar("list", "shop", filter)).out).toBe(
        "No backup of shop is like that.\n",
      );
  });

  it("tell what failed, and why", async () => {
    const failed = await nightjar("backup", "broken");
    expect(failed.code).toBe(1);
    expect(failed.err).toContain("The backup failed");
    const { out } = await nightjar("status");
    expect(out).toMatch(/shop +fresh/);
    expect(out).toMatch(/broken +failed/);
    expect(out).toMatch(/untouched +none/);
    expect(out).toContain("[SOURCE_CUT]");
    const checked = await nightjar("status", "--check");
    expect(checked.code).toBe(1);
    expect(checked.err).toMatch(/broken is failed, untouched is none\./);
    expect(checked.out).toMatch(/shop +fresh/);
    expect((await nightjar("status", "shop", "--check")).code).toBe(0);
    expect((await json("runs", "--state", "failed")).runs).toMatchObject([{ database: "broken" }]);
    const runs = await nightjar("runs", "broken");
    expect(runs.out).toMatch(/broken-\S+ +api +manual +failed .*[^]*\[SOURCE_CUT\]/);
    expect((await json("status", "shop")).databases[0]).toMatchObject({ state: "fresh" });
    expect((await nightjar("list", "nothing")).code).toBe(3);
    expect((await nightjar("prune", "--dry-run")).out).toMatch(/0 of \d+ backups would go/);
  });

  it("let a doctor look at all of it", async () => {
    const { code, out, err } = await nightjar("doctor", "--json");
    expect({ code, error: JSON.parse(err).error.code }).toEqual({ code: 1, error: "NOT_HEALTHY" });
    const findings = JSON.parse(out).findings as Record<string, string>[];
    const about = (name: string) =>
      findings
        .filter((one) => one["about"] === name)
        .map((one) => `${one["level"]} ${one["message"]}`);
    expect(about("token")).toEqual(["good ADMIN_TOKEN may admin (all databases)."]);
    expect(about("catalog").join()).toMatch(/^good Its newest migration is \d{4}_/);
    expect(about("cron")).toEqual(["problem It has never run: nothing is backed up."]);
    expect(about("shop")).toContainEqual(
      expect.stringMatching(
        /^good Its server answers in \d+ ms: replica \(no pull-updates .*no sync protocol/,
      ),
    );
    expect(about("untouched")).toContain("problem It has no backup yet.");
    expect(about("broken").join()).toContain("problem Its last run failed: ");
    const { token } = await json(
      "token",
      "create",
      "reader",
      "--scope",
      "read",
      "--database",
      "shop",
    );
    const env = { NIGHTJAR_URL: product.worker.url, NIGHTJAR_TOKEN: token };
    const limited = await runCli(["doctor", "shop"], product.dir, env);
    expect(limited.code).toBe(0);
    expect(limited.out).toMatch(/^\? +shop: This needs the scope backup/m);
  });

  it("tell how a run is getting on, and what was found of a backup", async () => {
    const { backups } = await json("list", "shop");
    const { databases } = await json("status", "shop");
    const { id } = databases[0].lastRun;
    const words = new RegExp(`^done since 2.* attempt 1, 4\\.2 MB read, backup ${backups[0].id}`);
    expect((await nightjar("run", id)).out).toMatch(words);
    expect(await json("run", id, "--wait")).toMatchObject({ id, state: "done" });
    expect(await nightjar("run", "shop-1")).toMatchObject({ code: 3, out: "" });
    const failed = (await json("status", "broken")).databases[0].lastRun;
    const { code, err } = await nightjar("run", failed.id);
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringContaining("The run failed"),
    });
    expect((await nightjar("proofs", "shop")).out).toMatch(/verify +verified.*\n.*drill +passed/);
    const { proofs } = await json("proofs", "shop", "--backup", backups[0].id);
    expect(proofs).toMatchObject([{ act: "verify" }, { act: "drill" }]);
  });

  it("pull what is new into the page log", async () => {
    const { log } = await json("log", "pull", "shop");
    expect(log).toEqual({ lineage: expect.any(String), txid: expect.any(Number) });
    expect((await nightjar("log", "pull", "shop")).out).toContain(`of lineage ${log.lineage}.`);
    const { err } = await nightjar("log", "pull", "dumped");
    expect(err).toContain("The server has no log of pages to follow");
  });

  it("pin a backup by hand, and take the pin off", async () => {
    const { out } = await nightjar("pin", "shop", "--reason", "before the audit");
    expect(out).toMatch(/^Backup \w+ of shop is pinned: pinned\/manual\/shop\//);
    expect((await nightjar("list", "shop")).out).toMatch(/by-hand \(pinned\)/);
    expect((await nightjar("prune", "--dry-run")).out).toMatch(
      /keep +shop .* pinned by hand: kept until it is unpinned \(pinned\)/,
    );
    expect((await nightjar("unpin", "shop")).code).toBe(0);
    expect((await nightjar("unpin", "shop")).err).toContain("is not pinned by hand");
    expect((await nightjar("prune")).out).toMatch(/\(pin is removed\)/);
    expect((await nightjar("list", "shop")).out).not.toContain("(pinned)");
  });
});

describe("pull of a backup", () => {
  it("by its other name, download, gives the database's file, checked against its hash", async () => {
    const { code, out } = await nightjar("download", "shop", "-o", "got.db");
    expect(code).toBe(0);
    const [, file] = /^(.*\/got\.db): 4\.2 MB, as of .*, checked against the backup's hash/.exec(
      out,
    )!;
    const copy = new DatabaseSync(file!);
    expect((await differences(shop.url, copy)).differing).toEqual([]);
    copy.close();
  });

  it.each([
    ["shop", "db.zst", "db"],
    ["dumped", "sql.zst", "sql"],
  ])("of %s gives %s, and the same as %s", async (db, stored, plain) => {
    const [small, large] = [inDir(`${db}.${stored}`), inDir(`${db}-plain.${plain}`)];
    expect(await json("download", db, "--format", stored, "-o", small)).toMatchObject({
      file: small,
      bytes: readFileSync(small).length,
    });
    await json("pull", db, "-o", large); // the default
    const unpacked = zstdDecompressSync(readFileSync(small));
    expect(Buffer.compare(unpacked, readFileSync(large))).toBe(0);
  });

  it("never writes over a file, and leaves no part of one", async () => {
    await writeFile(inDir("a.sql"), "mine");
    expect((await nightjar("download", "shop", "-o", "a.sql")).err).toContain("is there already");
    expect(readFileSync(inDir("a.sql"), "utf8")).toBe("mine");
    const sql = await nightjar("download", "shop", "--format", "sql", "-o", "a.sql", "--overwrite");
    expect(sql.out).toContain("written from the backup's checked pages");
    expect(readFileSync(inDir("a.sql"), "utf8")).toMatch(/COMMIT;\n$/);
    expect(readdirSync(product.dir).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it("breaks off, for every client, when stored bytes are bad", async () => {
    // SQL of a snapshot is made from pages that the Worker may still have in memory.
    const formats = { shop: ["db"], dumped: ["sql", "sql.gz"] };
    for (const [db, derived] of Object.entries(formats)) {
      const restore = await spoil(db);
      const before = readdirSync(product.dir);
      try {
        for (const format of derived) {
          const { code, err } = await nightjar("download", db, "--format", format, "-o", "x");
          expect({ code, format }).toEqual({ code: 1, format });
          expect(err, format).toContain("The download broke off");
        }
        const stored = db === "shop" ? "db.zst" : "sql.zst";
        const raw = await nightjar("download", db, "--format", stored, "-o", "x");
        expect(raw.code).toBe(1);
        expect(raw.err).toContain("not those of the backup");
        expect(readdirSync(product.dir)).toEqual(before);
      } finally {
        await restore();
      }
    }
  });
});

/** Damage the newest backup in the files of the local R2. */
async function spoil(db: string): Promise<() => Promise<void>> {
  const [newest] = await product.backups(db);
  const size = `${newest!.stored.bytes}c`;
  const blobs = execFileSync("find", [product.persistTo, "-type", "f", "-size", size]);
  const [blob] = blobs.toString().trim().split("\n");
  expect(existsSync(blob!)).toBe(true);
  const good = readFileSync(blob!);
  const bad = Buffer.from(good);
  bad[good.length >> 1]! ^= 1;
  await writeFile(blob!, bad);
  return () => writeFile(blob!, good);
}

it("a pull goes on where its connection breaks", async () => {
  const { hostname, port } = new URL(product.worker.url);
  let cuts = 0;
  const cutter = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let passed = 0;
    upstream.on("data", (data) => {
      passed += data.length;
      if (passed > 600_000 && cuts < 3) {
        cuts++;
        client.destroy();
        upstream.destroy();
      } else client.write(data);
    });
    client.pipe(upstream);
    for (const socket of [client, upstream]) {
      socket.on("error", () => {});
      socket.on("close", () => void [client.destroy(), upstream.destroy()]);
    }
  });
  await new Promise<void>((listening) => cutter.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(cutter.address() as AddressInfo).port}`;
  const env = { NIGHTJAR_URL: url, NIGHTJAR_TOKEN: TOKEN };
  const pulled = await runCli(["pull", "shop", "-o", "resumed.db"], product.dir, env);
  cutter.close();
  expect({ code: pulled.code, cuts }).toEqual({ code: 0, cuts: 3 });
  const copy = new DatabaseSync(inDir("resumed.db"));
  expect((await differences(shop.url, copy)).differing).toEqual([]);
});

describe("signed in", () => {
  const signedIn = (args: string[], input = "") => {
    const home = { XDG_CONFIG_HOME: inDir("config"), NIGHTJAR_URL: "", NIGHTJAR_TOKEN: "" };
    return runCli(args, inDir("app"), home, input);
  };

  it("a command needs neither address nor token, nor in a repository the database", async () => {
    mkdirSync(inDir("app/.git"), { recursive: true });
    const { url } = product.worker;
    const wrong = await signedIn(["login", url, "--name", "other"], "a-wrong-token");
    expect(wrong).toMatchObject({ code: 3, out: "" });
    const made = await json("token", "create", "dev", "--scope", "backup,download");
    const login = await signedIn(["login", url.replace("http://", "")], `${made.token}\n`);
    expect(login.out).toContain(`Signed in to ${url} as dev (backup, download: all databases).`);
    expect((await signedIn(["profiles"])).out).toMatch(/\* +default +http/);
    expect((await signedIn(["init", "nothing"])).code).toBe(3);
    const init = await signedIn(["init", "shop"]);
    expect(init.out).toContain(`NIGHTJAR_URL=${url} nightjar status shop --check`);
    expect((await signedIn(["init", "shop"])).err).toContain("is there already");
    expect(JSON.parse(readFileSync(inDir("app/nightjar.json"), "utf8"))).toEqual({
      ...{ url, database: "shop" },
    });
    expect((await signedIn(["pull"])).out).toContain("shop.db: 4.2 MB");
    const ignored = (...names: string[]) =>
      execFileSync("git", ["check-ignore", ...names], { cwd: inDir("app"), encoding: "utf8" });
    execFileSync("git", ["init", "-q"], { cwd: inDir("app") });
    expect(ignored("shop.db", "shop.sql.gz", "migrations/1.sql")).toBe("shop.db\nshop.sql.gz\n");
    expect((await signedIn(["logout"])).out).toContain("stays valid until it is revoked");
    expect((await signedIn(["list"])).err).toContain("nightjar login");
  });

  it("a backup has many names", async () => {
    const named = await json("backup", "shop", "--name", "before v2");
    const id = named.backupId as string;
    for (const name of [id, id.slice(0, 6), "before v2", "latest", "latest-verified"]) {
      const { backup } = await json("pull", "shop", "--backup", name, "-o", "x.db", "--overwrite");
      expect(backup, name).toBe(id);
    }
    await json("backup", "shop", "--name", "before v2");
    const again = await nightjar("proofs", "shop", "--backup", "before v2");
    expect(again.err).toMatch(/^2 backups of shop are named before v2\. This is the newest, /);
    for (const name of ["zzzz", "before", "../x", "latest-of-all", "000000000000"])
      expect((await nightjar("pull", "shop", "--backup", name)).err, name).toMatch(
        /shop has no backup/,
      );
    const migrated = await nightjar("pull", "shop", "--migration", "0042");
    expect(migrated.err).toContain('no backup whose migration is like "0042"');
  });
});

describe("the command as a package", () => {
  /** The Node of the tests, and the one that npm was started with, which may be older. */
  const nodes = new Set([process.execPath, process.env["npm_node_execpath"] ?? process.execPath]);

  it("is installed without anything else, and pulls with every Node", async () => {
    execFileSync(process.execPath, [join(ROOT, "scripts/build.ts"), inDir("package")]);
    const npm = (...args: string[]) =>
      execFileSync("npm", [...args, "--silent"], { cwd: product.dir, encoding: "utf8" }).trim();
    const tarball = npm("pack", inDir("package"), "--pack-destination", product.dir);
    expect(statSync(inDir(tarball)).size).toBeLessThan(5_000_000);
    npm("install", "--global", "--offline", "--prefix", inDir("global"), inDir(tarball));
    const installed = readdirSync(inDir("global/lib/node_modules"), { recursive: true });
    const packages = installed.filter((path) => String(path).endsWith("package.json"));
    expect(packages).toHaveLength(1);
    const env = {
      ...{ ...process.env, INIT_CWD: product.dir },
      ...{ NIGHTJAR_URL: product.worker.url, NIGHTJAR_TOKEN: TOKEN },
    };
    for (const node of nodes) {
      const run = (...args: string[]) =>
        execFileSync(node, [inDir("global/bin/nightjar"), ...args], {
          ...{ cwd: product.dir, env, encoding: "utf8" },
        });
      expect(run("--version")).toBe("0.1.0\n");
      for (const db of ["shop", "dumped"]) {
        run("restore", db, "--verify", "--to", `installed-${db}.db`);
        const copy = new DatabaseSync(inDir(`installed-${db}.db`));
        expect((await differences(shop.url, copy)).differing, `${node} ${db}`).toEqual([]);
        copy.close();
        rmSync(inDir(`installed-${db}.db`));
      }
    }
  });
});

describe("url", () => {
  it.each([
    ["db", "SQLite format 3\0"],
    ["sql", "PRAGMA foreign_keys=OFF;"],
  ])("opens a backup as %s", async (format, start) => {
    const { url } = await json("url", "shop", "--format", format);
    expect(url).toMatch(new RegExp(`\\.${format}$`));
    const text = Buffer.from(await (await fetch(url)).arrayBuffer()).toString("latin1");
    expect(text.slice(0, start.length)).toBe(start);
  });

  it("opens a moment of the page log, until it is revoked by the URL", async () => {
    const { window } = await json("timeline", "shop");
    const { out, err } = await nightjar("url", "shop", "--at", window.to, "--format", "db");
    expect(err).toContain("As of ");
    const url = out.trim();
    const answer = await fetch(url);
    expect(Buffer.from(await answer.arrayBuffer()).toString("latin1", 0, 15)).toBe(
      "SQLite format 3",
    );
    expect((await nightjar("link", "revoke", url)).out).toContain("is revoked");
    expect((await fetch(url)).status).toBe(403);
    const other = await json("url", "shop");
    expect(await json("link", "revoke", other.id)).toEqual({ id: other.id, revoked: true });
    expect((await fetch(other.url)).status).toBe(403);
    expect(await nightjar("link", "revoke", other.id.replace(/./g, "0"))).toMatchObject({
      code: 3,
    });
  });

  it("of a dump is not a file of pages", async () => {
    const { code, out, err } = await nightjar("url", "dumped", "--format", "db");
    expect({ code, out }).toEqual({ code: 3, out: "" });
    expect(err).toContain("A dump can be downloaded as sql.zst, sql.gz, sql, not as db");
  });
});

describe("pull, timeline and query", () => {
  const COUNT = "SELECT count(*) AS n, sum(stars) AS stars FROM reviews";
  let before: string;

  beforeAll(async () => {
    before = (await product.timeline("shop")).window.to;
    const client = createClient({ url: shop.url });
    await client.execute("DELETE FROM reviews WHERE rowid > 2990");
    await client.execute("UPDATE orders SET note = NULL WHERE id <= 10");
    client.close();
    expect((await nightjar("backup", "shop")).code).toBe(0);
  });

  it("timeline shows what can be restored and what changed", async () => {
    const { window, changes } = await json("timeline", "shop");
    expect(changes.at(-1)).toMatchObject({ whole: true, at: window.from });
    expect(changes[0].pages).toBeLessThan(50);
    expect(changes.length).toBeGreaterThan(1);
    const { out } = await nightjar("timeline", "shop");
    expect(out).toContain(`Any moment from ${window.from} to ${window.to}.`);
    expect(out).toMatch(/ whole database$/m);
    expect((await json("timeline", "shop", "--limit", "1")).changes).toHaveLength(1);
  });

  it("pull writes to standard output, and ends with an error where it broke off", async () => {
    const piped = (...args: string[]) =>
      spawnSync(process.execPath, [join(ROOT, "src/cli/main.ts"), "pull", ...args, "-o", "-"], {
        cwd: product.dir,
        env: { ...process.env, NIGHTJAR_URL: product.worker.url, NIGHTJAR_TOKEN: TOKEN },
        maxBuffer: 100_000_000,
      });
    const { status, stdout, stderr } = piped("shop");
    expect({ status, err: String(stderr) }).toEqual({ status: 0, err: "" });
    const copy = await product.open(stdout);
    expect((await differences(shop.url, copy)).differing).toEqual([]);
    expect(String(piped("dumped").stdout)).toMatch(/^PRAGMA foreign_keys=OFF;[^]*COMMIT;\n$/);
    expect(existsSync(inDir("-"))).toBe(false);
    const command = `'${process.execPath}' '${join(ROOT, "src/cli/main.ts")}' pull shop -o -`;
    const cut = spawnSync("bash", ["-c", `set -o pipefail; ${command} | head -c 16`], {
      cwd: product.dir,
      env: { ...process.env, NIGHTJAR_URL: product.worker.url, NIGHTJAR_TOKEN: TOKEN },
    });
    expect([cut.status, String(cut.stdout)]).toEqual([0, "SQLite format 3\0"]);
  });

  it("pull gives the newest backup, and the database as it was", async () => {
    const now = await nightjar("pull", "shop");
    expect(now.out).toContain(`${inDir("shop.db")}: 4.2 MB, as of 2`);
    const copy = new DatabaseSync(inDir("shop.db"));
    expect((await differences(shop.url, copy)).differing).toEqual([]);
    copy.close();

    const past = await json("pull", "shop", "--at", before, "-o", "past.db");
    expect(past).toMatchObject({ file: inDir("past.db"), bytes: 4247552 });
    expect(Date.parse(past.asOf)).toBeLessThanOrEqual(Date.parse(before));
    const old = new DatabaseSync(inDir("past.db"));
    expect(old.prepare("SELECT count(*) AS n FROM reviews").get()).toEqual({ n: 3000 });
    expect(old.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    old.close();

    await json("pull", "shop", "--at", before, "--format", "sql", "-o", "past.sql");
    expect(readFileSync(inDir("past.sql"), "utf8")).toMatch(/COMMIT;\n$/);
    expect((await nightjar("pull", "shop")).err).toContain("is there already");
  });

  it("query answers from the backup, and from a moment", async () => {
    const client = createClient({ url: shop.url });
    const { rows } = await client.execute(COUNT);
    client.close();
    const now = await json("query", "shop", COUNT);
    expect(now).toMatchObject({ columns: ["n", "stars"], rows: [[rows[0]![0], rows[0]![1]]] });
    const past = await json("query", "shop", COUNT, "--at", before);
    expect(past.rows[0][0]).toBe(3000);
    expect(past.moment).toMatchObject({ txid: 1 });

    const { out } = await nightjar(
      "query",
      "shop",
      "SELECT 1 AS a, NULL AS b, x'00' AS c, 'd\n' AS d",
    );
    expect(out).toBe('a  b     c                d\n1  NULL  {"blob":"AA=="}  d\\x0a\n');
  });

  it.each([
    ["query shop", "DELETE FROM orders", 3, "The statement does more than read."],
    ["query shop", "SELECT absent", 3, "no such column: absent"],
    ["query shop", "SELECT * FROM orders", 3, "more than 10000 rows"],
    ["query dumped", "SELECT 1", 3, "This backup is a dump"],
    ["query untouched", "SELECT 1", 3, "untouched has no backup latest."],
    ["timeline untouched", undefined, 3, "untouched has no page log."],
    ["timeline dumped", undefined, 3, 'unless the `capture` of the database is "dump"'],
    ["pull untouched", undefined, 3, "untouched has no backup latest."],
    ["pull shop --at yesterday", undefined, 3, "is outside of it"],
    ["pull shop --at today", undefined, 3, "must be a moment in ISO 8601"],
    ["pull shop --format orc", undefined, 3, "not as orc"],
    ["pull dumped --format db", undefined, 3, "A dump can be downloaded as sql.zst, sql.gz, sql"],
  ])("%s %s ends with %s: %s", async (line, sql, exit, message) => {
    const { code, out, err } = await nightjar(...line.split(" "), ...(sql ? [sql] : []));
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: exit, out: "" });
  });

  it("names the window for a moment outside of it", async () => {
    const { window } = (await json("timeline", "shop")) as { window: { from: string; to: string } };
    for (const at of ["2001-01-01T00:00:00Z", "2999-01-01T00:00:00+02:00"])
      for (const command of [
        ["pull", "shop"],
        ["query", "shop", "SELECT 1"],
      ]) {
        const { code, err } = await nightjar(...command, "--at", at);
        expect(code).toBe(3);
        expect(err).toContain(`The log of shop reaches from ${window.from} to ${window.to}`);
      }
    expect(existsSync(inDir("shop.db.part"))).toBe(false);
  });
});

it("never repeats its token", async () => {
  const secret = "not-the-right-token";
  const commands = [
    ["timeline", "shop"],
    ["pull", "shop", "--overwrite"],
    ["query", "shop", "SELECT 1"],
  ];
  for (const command of commands) {
    const env = { NIGHTJAR_URL: product.worker.url, NIGHTJAR_TOKEN: secret };
    const { code, out, err } = await runCli([...command, "--json"], product.dir, env);
    expect(code).toBe(3);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "UNAUTHORIZED" } });
    expect(out + err).not.toContain(secret);
  }
  const verbose = await nightjar("query", "shop", `SELECT '${"x".repeat(9)}`);
  expect(verbose.out + verbose.err).not.toContain(TOKEN);
});
