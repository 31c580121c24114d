import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { createClient } from "@libsql/client/http";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import type { ServerProcess } from "../../../scripts/lib/server-process.ts";
import { Product, TOKEN } from "../../support/product.ts";

/** The gate before a deploy, against the real Worker: by the command, the Action and the examples. */
let product: Product;
let shop: ServerProcess;
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const inDir = (name: string) => join(product.dir, name);

beforeAll(async () => {
  product = await Product.create();
  shop = await product.sqld("shop");
  await createClient({ url: shop.url }).executeMultiple(
    "CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO d1_migrations VALUES(1, '0042_orders.sql'); CREATE TABLE t(a)",
  );
  await product.start({
    shop: { url: shop.url },
    sealed: { url: shop.url, recipients: [await identityToRecipient(await generateIdentity())] },
    gone: { url: "http://127.0.0.1:9", attempts: 1 },
    slow: { url: "http://127.0.0.1:9", attempts: 5 },
  });
});
afterAll(() => product.stop());

const gate = (...args: string[]) => product.nightjar("gate", ...args);

describe("nightjar gate", () => {
  it("makes a backup, records the commit, and takes the same one again", async () => {
    process.env["GITHUB_SHA"] = COMMIT;
    const made = await gate("shop", "--name", "pre-1", "--require", "drilled", "--json");
    expect({ code: made.code, err: made.err }).toEqual({ code: 0, err: "" });
    const first = JSON.parse(made.out);
    expect(first).toMatchObject({
      ...{ database: "shop", name: "pre-1", made: true, proof: "drilled", commit: COMMIT },
      schema: { hash: expect.any(String), migration: { name: "0042_orders.sql" } },
      restore: `nightjar restore shop --backup ${first.backup} --to <target>`,
    });
    const again = await gate("shop", "--name", "pre-1", "--max-age", "10m", "--json");
    expect(JSON.parse(again.out)).toMatchObject({ backup: first.backup, made: false });
    const any = await gate("shop", "--max-age", "10m", "--json");
    expect(JSON.parse(any.out)).toMatchObject({ backup: first.backup, made: false });
    const other = await gate("shop", "--name", "pre-2", "--max-age", "10m");
    expect(other.out).toMatch(/^Backup \w{12} of shop, .*, made now: verified\.\n.*0042_orders/);
    expect(JSON.parse((await gate("shop", "--json")).out)).toMatchObject({ made: true });
    const { out } = await product.nightjar("list", "shop", "--tier", "deploy", "--json");
    expect(JSON.parse(out).backups).toHaveLength(3);
  });

  it("stays shut where the proof is less than what is asked for", async () => {
    const refused = await gate("sealed", "--require", "drilled", "--json");
    expect(refused).toMatchObject({ code: 1, out: "" });
    expect(JSON.parse(refused.err).error).toMatchObject({
      ...{ code: "NOT_PROVEN", message: expect.stringContaining("the drill found it unproven") },
      hint: expect.stringContaining("--require verified"),
    });
    expect((await gate("sealed", "--max-age", "10m")).code).toBe(0);
  });

  it("stays shut where the backup fails, or the line is wrong", async () => {
    const gone = await gate("gone");
    expect(gone).toMatchObject({ code: 1, out: "" });
    expect(gone.err).toContain("The backup failed");
    const slow = await gate("slow", "--timeout", "1s");
    expect(slow).toMatchObject({ code: 1, out: "" });
    expect(slow.err).toMatch(/Run slow-\S+ is still .*\n.*goes on without this command.*--timeout/);
    for (const [line, message] of [
      ["shop --require proven", "--require must be one of verified, drilled"],
      ["shop --max-age soon", "--max-age must be a duration"],
      ["shop --timeout 0", "--timeout must be a duration"],
    ] as const) {
      const refused = await gate(...line.split(" "));
      expect(refused).toMatchObject({ code: 2, out: "" });
      expect(refused.err).toContain(message);
    }
    expect((await gate("nothing")).code).toBe(3);
  });
});

/** A folder of programs that write down how they were called: stand-ins for the tools that migrate. */
function standIns(nightjar: string): { path: string; calls: () => string[] } {
  const folder = inDir(`tools-${Math.random()}`);
  const log = join(folder, "calls");
  mkdirSync(join(folder, "bin"), { recursive: true });
  const put = (file: string, text: string) => {
    writeFileSync(file, `#!/usr/bin/env bash\n${text}\n`);
    chmodSync(file, 0o755);
  };
  for (const tool of ["npx", "python", "turso", "bin/rails"])
    put(join(folder, tool), `cat > /dev/null < /dev/null\necho "${tool} $*" >> '${log}'`);
  put(join(folder, "nightjar"), nightjar);
  writeFileSync(join(folder, "migration.sql"), "SELECT 1;");
  return {
    path: folder,
    calls: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []),
  };
}

describe("the examples", () => {
  const examples = readdirSync(join(ROOT, "examples/gate"));

  it.each(examples)("%s migrates behind an open gate, and not behind a shut one", (example) => {
    const main = join(ROOT, "src/cli/main.ts");
    const tools = standIns(`exec '${process.execPath}' '${main}' "$@"`);
    const run = (NIGHTJAR_DATABASE: string) =>
      spawnSync("bash", [join(ROOT, "examples/gate", example)], {
        cwd: tools.path,
        encoding: "utf8",
        env: {
          ...process.env,
          ...{ PATH: `${tools.path}${delimiter}${process.env["PATH"]}`, INIT_CWD: tools.path },
          ...{ NIGHTJAR_DATABASE, VERSION: "1.5.0" },
          ...{ NIGHTJAR_URL: product.worker.url, NIGHTJAR_TOKEN: TOKEN },
        },
      });
    const shut = run("gone");
    expect(shut.status).toBe(1);
    expect(tools.calls()).toEqual([]);
    const open = run("shop");
    expect(open.status, open.stderr).toBe(0);
    expect(tools.calls()).toHaveLength(1);
    expect(tools.calls()[0]).toMatch(/migrate|db shell/);
  });
});

describe("the Action", () => {
  const outputs = (name: string) => readFileSync(inDir(name), "utf8");

  function runStep(database: string, name: string) {
    execFileSync(process.execPath, [join(ROOT, "scripts/build.ts"), inDir("package")]);
    const tarball = execFileSync(
      "npm",
      ["pack", inDir("package"), "--pack-destination", product.dir, "--silent"],
      { encoding: "utf8" },
    ).trim();
    for (const file of ["output", "summary"]) writeFileSync(inDir(file), "");
    return spawnSync(join(ROOT, "action/gate.sh"), {
      cwd: product.dir,
      encoding: "utf8",
      env: {
        ...process.env,
        ...{ NIGHTJAR_URL: product.worker.url, NIGHTJAR_TOKEN: TOKEN, INIT_CWD: product.dir },
        ...{ GATE_DATABASE: database, GATE_NAME: name, GATE_MAX_AGE: "" },
        ...{ GATE_REQUIRE: "drilled", GATE_TIMEOUT: "5m", GATE_PACKAGE: inDir(tarball) },
        ...{ GITHUB_OUTPUT: inDir("output"), GITHUB_STEP_SUMMARY: inDir("summary") },
      },
    });
  }

  it("hands on the backup, and takes its inputs for nothing but text", () => {
    const hostile = "$(touch pwned) `touch pwned`; touch pwned";
    const { status, stdout, stderr } = runStep("shop", hostile);
    expect(status, stderr).toBe(0);
    const { backup, name } = JSON.parse(stdout);
    expect(name).toBe(hostile);
    expect(existsSync(inDir("pwned"))).toBe(false);
    expect(outputs("output")).toMatch(
      new RegExp(`^backup=${backup}\ntaken-at=2.*\nrestore=nightjar `),
    );
    expect(outputs("summary")).toContain(`Backup \`${backup}\``);
  });

  it("fails where the gate stays shut, without an output", () => {
    expect(runStep("gone", "x").status).not.toBe(0);
    expect(outputs("output")).toBe("");
  });

  it("gives every input of action.yml to its script", () => {
    const action = readFileSync(join(ROOT, "action/action.yml"), "utf8");
    const script = readFileSync(join(ROOT, "action/gate.sh"), "utf8");
    const inputs = [...action.matchAll(/\$\{\{ inputs\.([a-z-]+) \}\}/g)].map(([, name]) => name);
    const declared = action.slice(action.indexOf("inputs:"), action.indexOf("outputs:"));
    expect(new Set(inputs)).toEqual(
      new Set([...declared.matchAll(/^ {2}([a-z-]+):/gm)].map(([, name]) => name)),
    );
    for (const [, variable] of action.matchAll(/^ {8}(GATE_\w+):/gm))
      expect(script).toContain(`$${variable}`);
  });
});
