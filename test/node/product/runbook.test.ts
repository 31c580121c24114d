import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "@libsql/client/http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT, WRANGLER } from "../../../scripts/lib/paths.ts";
import { fireCron } from "../../../scripts/lib/local-worker.ts";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import { bodyOf } from "../../../src/cli/client.ts";
import { Product, TOKEN } from "../../support/product.ts";

/** The blocks of docs/runbook.md, run by a shell exactly as written, against the real Worker. */
let product: Product;
let source: string;
const variables: Record<string, string> = {};

async function blocks(document = "docs/runbook.md"): Promise<Map<string, string>> {
  const text = await readFile(join(ROOT, document), "utf8");
  const found = new Map<string, string>();
  for (const [, name = "", body] of text.matchAll(/^```sh ?(\w*)\n([\s\S]*?)^```$/gm))
    found.set(name, (found.get(name) ?? "") + body);
  return found;
}

/** Run the blocks of a scenario; stops at the first command that fails. */
async function run(scenario: string): Promise<string> {
  const script = (await blocks()).get(scenario);
  expect(script, scenario).toBeDefined();
  const env = {
    ...process.env,
    ...variables,
    PATH: `${join(product.dir, "bin")}:${process.env["PATH"]}`,
    NIGHTJAR_URL: product.worker.url,
    NIGHTJAR_TOKEN: TOKEN,
    INIT_CWD: product.dir, // npm sets this to the folder where it was called
  };
  const { stdout } = await promisify(execFile)("sh", ["-eu", "-c", script!], {
    cwd: product.dir,
    env,
  });
  return stdout;
}

/** Create the commands that the runbook calls, adapted to this machine. */
async function shims(): Promise<void> {
  const bin = join(product.dir, "bin");
  await mkdir(bin);
  const node = process.execPath;
  const local = `--local --persist-to ${product.persistTo}`;
  const scripts = {
    nightjar: `exec ${node} ${join(ROOT, "src/cli/main.ts")} "$@"`,
    // There is no account: requests to the remote bucket go to the local one.
    npx: `if [ "$1" = nightjar ]; then shift; exec nightjar "$@"; fi
shift; for a; do shift; [ "$a" = --remote ] || set -- "$@" "$a"; done
exec ${node} ${WRANGLER} "$@" --config ${join(ROOT, "wrangler.toml")} ${local}`,
  };
  for (const [name, body] of Object.entries(scripts)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${body}\n`);
    await chmod(join(bin, name), 0o755);
  }
}

const ask = async (sql: string, url = source) => {
  const client = createClient({ url });
  const { rows } = await client.execute(sql);
  client.close();
  return rows[0]![0];
};

beforeAll(async () => {
  product = await Product.create();
  source = (await product.sqld("shop")).url;
  variables["OTHER_SERVER"] = (await product.sqld("other")).url;
  await loadShop(source, 0.25);
  await product.start({ shop: { url: source } });
  await shims();
  expect((await product.nightjar("backup", "shop")).code).toBe(0);
  variables["BEFORE"] = (await product.timeline("shop")).window.to;
  const [newest] = await product.backups("shop");
  Object.assign(variables, { BACKUP: newest!.id, KEY: newest!.key });
});

afterAll(() => product.stop());

describe("the runbook's commands, when", () => {
  it("somebody has deleted something today", async () => {
    const customers = await ask("SELECT count(*) FROM customers");
    const client = createClient({ url: source });
    await client.executeMultiple("PRAGMA foreign_keys = OFF; DELETE FROM customers WHERE id > 3");
    client.close();
    expect((await product.nightjar("backup", "shop")).code).toBe(0);
    const said = await run("deletion");
    expect(said).toContain(`\n${String(customers)}\n`);
    expect(said).toMatch(/customers: 1 added, 0 changed, 0 the same already/);
    expect(await ask("SELECT count(*) FROM customers")).toBe(customers);
  });

  it("the platform is down", async () => {
    const said = await run("platform");
    expect(said).toMatch(/\nok\n/);
    const sum = "SELECT count(*) || ' ' || sum(id) FROM orders";
    expect(await ask(sum, variables["OTHER_SERVER"])).toBe(await ask(sum));
  });

  it("corruption is found late", async () => {
    const said = await run("corruption");
    expect(said).toMatch(/(\d+) of \1 backups are good/);
    expect(said).toContain("SQLite finds it sound");
  });

  it("the catalog is lost", async () => {
    const list = async () => JSON.stringify(await product.backups("shop"));
    const before = await list();
    await product.worker.stop();
    await rm(join(product.persistTo, "v3/d1"), { recursive: true });
    await run("tables");
    await product.startAgain();
    expect(await product.backups("shop")).toEqual([]);
    const said = await run("catalog");
    expect(said).toContain("Bucket and catalog agree.");
    expect(await list()).toBe(before);
  });

  it("the Worker is lost", async () => {
    await product.worker.stop();
    const said = await run("plain");
    expect(said).toMatch(/ok\n\d+\n/);
    await product.startAgain();
  });

  it("a token has leaked", async () => {
    await run("leaked");
    const { out } = await product.nightjar("url", "shop");
    await product.worker.stop();
    await product.startAgain({
      ADMIN_TOKEN: "another-admin-token-of-24-characters",
      SIGNING_KEY: "another-signing-key-of-24-characters",
    });
    expect((await product.nightjar("status")).code).toBe(3);
    const link = new URL(out.trim());
    expect((await fetch(product.worker.url + link.pathname)).status).toBe(403);
    await product.worker.stop();
    await product.startAgain({ ADMIN_TOKEN: TOKEN });
    expect((await product.nightjar("status")).code).toBe(0);
  });

  it("somebody asks to be forgotten", async () => {
    expect(Number(await ask("SELECT count(*) FROM customers WHERE id = 7"))).toBe(1);
    const said = await run("forgotten");
    expect(said.trim().split("\n").at(-1)).toBe("0");
    // Also into a server, and with `pull`, which then makes its file from SQL.
    const { url } = await product.sqld("forgotten");
    const to = ["--backup", variables["BACKUP"]!, "--to", url, "--verify"];
    const restored = await product.nightjar("restore", "shop", ...to);
    expect(restored).toMatchObject({ code: 0 });
    expect(await ask("SELECT count(*) FROM customers WHERE id = 7", url)).toBe(0);
    expect(Number(await ask("SELECT count(*) FROM customers", url))).toBeGreaterThan(3);
    const at = ["--at", variables["BEFORE"]!, "--output", "pulled.db"];
    expect(await product.nightjar("pull", "shop", ...at)).toMatchObject({ code: 0 });
    const pulled = await product.open(await readFile(join(product.dir, "pulled.db")));
    expect(pulled.prepare("SELECT count(*) AS n FROM customers WHERE id = 7").get()).toEqual({
      n: 0,
    });
    pulled.close();
  });

  it("a quarter is over", async () => {
    expect(await run("quarter")).toContain("passed");
    expect(await run("")).toContain("shop");
  });

  it("it is only the README that is followed", async () => {
    const script = (await blocks("README.md"))
      .get("use")!
      .replaceAll("https://nightjar.acme.workers.dev", product.worker.url)
      .replaceAll("2026-11-20T14:03:00Z", variables["BEFORE"]!);
    const folder = join(product.dir, "readme");
    await mkdir(folder);
    await fireCron(product.worker.url);
    const shell = promisify(execFile)("sh", ["-eu", "-c", script], {
      cwd: folder,
      env: {
        ...process.env,
        PATH: `${join(product.dir, "bin")}:${process.env["PATH"]}`,
        ...{ INIT_CWD: folder, XDG_CONFIG_HOME: join(folder, "config") },
        ...{ NIGHTJAR_URL: "", NIGHTJAR_TOKEN: "" },
      },
    });
    shell.child.stdin!.end(TOKEN);
    const { stdout } = await shell;
    expect(stdout).toContain(`Signed in to ${product.worker.url} as ADMIN_TOKEN`);
    expect(stdout.trim().split("\n").at(-1)).toBe("migrate now");
    const dev = await product.open(await readFile(join(folder, "dev.db")));
    expect(dev.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    dev.close();
  });

  it("none is left out", async () => {
    const names = [...(await blocks()).keys()].toSorted();
    const tried = [
      "",
      "catalog",
      "corruption",
      "deletion",
      "forgotten",
      "leaked",
      "plain",
      "platform",
      "quarter",
      "tables",
    ];
    expect(names).toEqual(tried);
    await bodyOf(product.client.v1.databases.$get({ query: { limit: "100" } }));
  });
});
