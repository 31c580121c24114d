import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { runCli } from "../../support/run-cli.ts";
import { TRAITS } from "../../../src/errors/codes.ts";
import { hintFor } from "../../../src/cli/own-hints.ts";
import { refuseSwallowed } from "../../../src/cli/line/swallowed.ts";

/** Nothing listens on this port: what is refused here is refused before anything is sent. */
const ENV = { NIGHTJAR_URL: "http://127.0.0.1:9", NIGHTJAR_TOKEN: "t" };
const nightjar = (args: readonly string[], env: Record<string, string> = ENV) =>
  runCli(args, tmpdir(), env);

it.each([
  ["bakup shop", "There is no command bakup.\n  Did you mean backup?"],
  ["tokn", "Did you mean token create"],
  ["xyzzy", "See nightjar --help."],
  ["list shop --labl a", "Did you mean --label? See nightjar list --help."],
  ["list shop --tier dayly", "--tier must be one of hourly, daily"],
  ["runs --state finished", "--state must be one of queued, capturing"],
  ["backup", "Missing required positional argument"],
  ["backup shop --nmae x", "Unknown option '--nmae'"],
  ["backup shop other", 'does not take "other"'],
  ["backup shop --label a=1 --label b=2", "--label is given more than once"],
  ["backup shop --label a", "--label must be like"],
  ["prune now", 'does not take "now"'],
  ["prune --dry-run=0", "does not take an argument"],
  ["unpin", "Missing required positional argument"],
  ["url shop --backup=", "--backup needs a value"],
  ["timeline ../shop", '"../shop" is no name or id'],
  ["pull shop --at", "argument missing"],
  ["pull shop -o nowhere/x.db", "There is no folder"],
  ["export shop --format xml", "--format must be one of ndjson, json, csv"],
  ["export shop --schema-only --data-only", "exclude each other"],
  ["export shop --where id>1", "--where takes a table and an expression"],
  ["export shop --where=a:1 --where=A:2", "one expression for each table"],
  ["export shop --blobs raw", "--blobs must be one of base64, hex"],
  ["export shop -o nowhere/x.csv", "There is no folder"],
  ["export shop --backup x --at y", "--at and --backup exclude each other"],
  ["url shop --order random", "--order must be one of stored, key"],
  ["import", "Missing required positional argument"],
  ["import x", "Give the file or the server to write to with --to"],
  ["import nowhere --to libsql://x", "it has no export.json"],
  ["import x --to libsql://x --overwrite", "--overwrite is for --to <file> only"],
  ["import x --to http://x/?a=b", "must hold no credentials, query or fragment"],
  ["import x --to new.db --dry-run", "--dry-run is for --to <address> only"],
  ["import x --to new.db --namespace n", "--namespace is for --to <address> only"],
  ["import nowhere --to new.db", "it has no export.json"],
  ["query shop", "Missing required positional argument"],
  ["query ../shop SELECT", '"../shop" is no name or id'],
  ["query shop SELECT 1", 'does not take "1"'],
  ["pull shop --backup x --at y", "--at and --backup exclude each other"],
  ["query shop SELECT --backup x --at y", "--at and --backup exclude each other"],
  ["diff shop latest", "Missing required positional argument"],
  ["diff shop a b --sql --json", "--sql and --json exclude each other"],
  ["erasures shop --withdraw x", "--withdraw and --reason go together"],
  ["erase shop --table t --column c --key -", "There is no key on standard input"],
  ["erase shop --table t --column c", "There is no key on standard input"],
  ["link", "Did you mean link list or link revoke?"],
  ["log shop", "Did you mean log pull?"],
  ["link revoke https://example.com/x", "neither a download URL"],
  ["link revoke", "Missing required positional argument"],
  ["run ../x", '"../x" is no name or id'],
  ["run", "Missing required positional argument"],
  ["proofs shop --at y", "Unknown option '--at'"],
  ["url shop --backup x --at y", "--at and --backup exclude each other"],
  ["restore shop --to x.db --backup x --at y", "--at and --backup exclude each other"],
  ["list ../shop", '"../shop" is no name or id'],
  ["download shop -o", "argument missing"],
  ["download shop -o /dev/null --overwrite", "is not a plain file"],
  ["download shop -o nowhere/x.sql", "There is no folder"],
])("nightjar %s is refused: %s", async (line, message) => {
  const { code, out, err } = await nightjar(line.split(" "));
  expect(err).toContain(message);
  expect({ code, out }).toEqual({ code: 2, out: "" });
});

it("says which variables are missing, and when nobody answers", async () => {
  const nowhere = { XDG_CONFIG_HOME: join(tmpdir(), "nightjar-none") };
  const { code, err } = await nightjar(["status"], nowhere);
  expect(code).toBe(2);
  expect(err).toContain("nightjar login <url>. Or set NIGHTJAR_URL and NIGHTJAR_TOKEN");
  const unreachable = await nightjar(["status", "--json"]);
  expect(unreachable.code).toBe(4);
  expect(JSON.parse(unreachable.err)).toMatchObject({ error: { hint: expect.any(String) } });
});

it.each([
  "http://nightjar.example",
  "http://10.0.0.3:8787",
  "http://user:password@127.0.0.1:9",
  "https://user:password@nightjar.example",
])("sends its token nowhere where others could read it: %s", async (url) => {
  const env = { ...ENV, NIGHTJAR_URL: url, NIGHTJAR_TOKEN: "the-token" };
  const { code, out, err } = await nightjar(["status"], env);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(/address without TLS on another machine|must hold no credentials/);
  expect(err).not.toMatch(/the-token|password/);
});

it.each([
  ["--to", { T: "the-token" }, "--to http://db.example --token-env T"],
  [
    "TURSO_API_BASEURL",
    { T: "the-token", TURSO_API_BASEURL: "http://turso.example" },
    "--to-turso x --org o --token-env T",
  ],
])("sends no target's token over http:// to another machine: %s", async (what, env, to) => {
  const { code, err } = await nightjar(["restore", "shop", ...to.split(" ")], { ...ENV, ...env });
  expect(code).toBe(2);
  expect(err).toContain(`${what} is an address without TLS on another machine`);
  expect(err).not.toContain("the-token");
});

it.each(["se cret", "secret\n--", "“secret”", "secret\u00a0"])(
  "never quotes a token that no header holds: %j",
  async (token) => {
    const status = await nightjar(["status"], { ...ENV, NIGHTJAR_TOKEN: token });
    const line = "restore shop --to https://db.example --token-env T".split(" ");
    const restore = await nightjar(line, { ...ENV, T: token });
    for (const { code, err } of [status, restore]) {
      expect(code).toBe(2);
      expect(err).toContain("another character that no token has");
      expect(err).not.toContain("cret");
    }
  },
);

it("reads the key of an erasure from standard input, where the shell keeps no history of it", async () => {
  const asked: unknown[] = [];
  const answer = { id: "e1", at: "2026-11-28T00:00:00.000Z", checked: "not" };
  const answerTo = async (request: IncomingMessage, response: ServerResponse) => {
    asked.push(JSON.parse(await text(request)));
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer));
  };
  const server = createServer((request, response) => void answerTo(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const args = ["erase", "shop", "--table", "t", "--column", "c", "--key", "-", "--who", "me"];
  const env = { ...ENV, NIGHTJAR_URL: `http://127.0.0.1:${port}` };
  const { code, out } = await runCli(args, tmpdir(), env, " ann@example.com\n");
  server.close();
  expect({ code, asked }).toEqual({
    code: 0,
    asked: [{ table: "t", column: "c", key: " ann@example.com", who: "me", force: false }],
  });
  expect(out).not.toContain("ann@example.com");
});

it("takes SQL as it is", async () => {
  const { code, err } = await nightjar(["query", "shop", "SELECT 'a b' FROM \"x\"; -- ../"]);
  expect(err).toContain("Nightjar cannot be reached");
  expect(code).toBe(4);
});

it("shows its help", async () => {
  expect((await nightjar(["--help"])).out).toContain(
    "login|logout|profiles|init|completion|status|databases|coverage|doctor|health|backup|gate|badge|run|runs|list|pull|export|import|url|link list|link revoke|restore|refresh|query|diff|history|timeline|log pull|verify|drill|proofs|pin|unpin|copy|erase|erasures|prune|token create|token list|token revoke|approval list|approval grant|approval deny|alert list|alert show|alert channels|alert test|audit|reconcile|rebuild",
  );
  expect((await nightjar(["url", "--help"])).out).toContain("--expires-in");
});

describe("npm run", () => {
  // What npm sets when it takes an option for its own: `npm run nightjar prune --dry-run`.
  const npm = (script: string, option: string) => ({
    ...{ ...ENV, npm_package_name: "nightjar", npm_lifecycle_event: script },
    [`npm_config_${option}`]: "true",
  });

  it.each([
    ["prune", "dry_run", "npm has kept --dry-run for itself"],
    ["backup shop", "wait", "npm has kept --wait for itself"],
    ["list shop 5", "limit", "npm has kept --limit for itself"],
    ["pull shop x.db", "o", "npm has kept -o for itself"],
    ["status", "json", "npm has kept --json for itself"],
  ])("of %s --%s does nothing: %s", async (line, option, message) => {
    const { code, err } = await nightjar(line.split(" "), npm("nightjar", option));
    expect(err).toContain(message);
    expect(err).toContain("Write `npx nightjar`");
    expect(code).toBe(2);
  });

  it.each(["setup", "deploy"])("of %s --dry-run is refused in its own words", (script) => {
    // Not run as a process: without the check it would deploy.
    const refuse = (argv: string[]) => refuseSwallowed(["dry-run"], argv, npm(script, "dry_run"));
    expect(() => refuse([])).toThrow(
      expect.objectContaining({ hint: expect.stringContaining(`npm run ${script} --`) as string }),
    );
    expect(() => refuse(["--dry-run"])).not.toThrow();
  });

  it("goes on where the option came through, by npx, and in another package's scripts", async () => {
    const passed = async (args: readonly string[], env: Record<string, string>) =>
      expect((await nightjar(args, env)).err).toContain("Nightjar cannot be reached");
    await passed(["prune", "--dry-run"], npm("nightjar", "dry_run"));
    await passed(["prune", "--dry-run"], npm("npx", "dry_run"));
    await passed(["status"], { ...npm("deploy", "json"), npm_package_name: "shop" });
    await passed(["status"], npm("nightjar", "cache"));
  });
});

describe("hints", () => {
  it("speak of commands, and not of HTTP", () => {
    for (const [code, { hint }] of Object.entries(TRAITS))
      expect(hintFor(code, hint), code).not.toMatch(/(GET|POST|DELETE) \/|\/v1\/|Authorization/);
  });

  it("are Nightjar's own where they say more than their code", () => {
    expect(hintFor("BACKUP_NOT_FOUND", "Did you mean the other one?")).toBe(
      "Did you mean the other one?",
    );
    expect(hintFor("NOT_ONE_OF_OURS", "x")).toBe("x");
  });
});
