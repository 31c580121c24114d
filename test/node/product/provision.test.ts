import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import {
  deploy,
  missingSecrets,
  readProject,
  type WriteRules,
} from "../../../scripts/lib/provision.ts";
import { checkProject } from "../../../scripts/lib/check-project.ts";
import { lifecycleRules } from "../../../src/plan/lifecycle.ts";
import { lockNotes } from "../../../src/plan/locks.ts";
import type { Wrangler } from "../../../scripts/lib/wrangler.ts";

/** A stand-in for wrangler on a real account: it records the command lines and answers from a list. */
function recorder(secrets: string[] = [], locks: string[] = []) {
  const lines: string[] = [];
  const files: Record<string, { rules: unknown[] }> = {};
  const wrangler: Wrangler = {
    async run(args) {
      lines.push(args.join(" "));
      return args[0] === "deploy" ? "Deployed nightjar\n  https://nightjar.acme.workers.dev\n" : "";
    },
    async ask(args) {
      lines.push(args.join(" "));
      const output = args.includes("lock")
        ? locks.map((name) => `name:  ${name}\nenabled:  Yes\n`).join("\n")
        : `⛅️ notice\n${JSON.stringify(secrets.map((name) => ({ name })))}\n`;
      return { ok: true, output };
    },
  };
  const write: WriteRules = async (name, text) => {
    files[name] = JSON.parse(text) as { rules: unknown[] };
    return `/tmp/${name}.json`;
  };
  const prepare = async (url?: string) => void lines.push(`(prepare ${url})`);
  return { lines, files, wrangler, write, prepare };
}

const LIFECYCLE = "r2 bucket lifecycle set acme-backups --file /tmp/lifecycle.json --force";
const SET_LOCKS = "r2 bucket lock set acme-backups --file /tmp/lock.json --force";
const LIST_LOCKS = "r2 bucket lock list acme-backups";
const PREPARE = "(prepare https://nightjar.acme.workers.dev)";
const SHIP = ["deploy", "d1 migrations apply DB --remote"];

const TOML = `
[triggers]
crons = ["* * * * *", "30 3 * * *"]

[[r2_buckets]]
binding = "BUCKET"
bucket_name = "acme-backups"
[vars.DATABASES.shop]
url = "libsql://shop-acme.turso.io"
token = "SHOP_TOKEN"
retain = { daily = "7d" }
`;

describe("deploying", () => {
  it("ships, migrates by binding, prepares and sets the lifecycle from the policy, in this order", async () => {
    const { lines, files, wrangler, write, prepare } = recorder();
    const url = await deploy(wrangler, readProject(TOML), write, prepare);
    expect(lines).toEqual([...SHIP, LIST_LOCKS, PREPARE, LIFECYCLE]);
    expect(url).toBe("https://nightjar.acme.workers.dev");
    const { rules } = files["lifecycle"]!;
    expect(rules).toContainEqual({
      id: "nightjar daily shop",
      enabled: true,
      conditions: { prefix: "daily/shop/" },
      deleteObjectsTransition: { condition: { type: "Age", maxAge: 7 * 86_400 } },
    });
    expect(rules).toContainEqual(
      expect.objectContaining({
        conditions: { prefix: "" },
        abortMultipartUploadsTransition: { condition: { type: "Age", maxAge: 604_800 } },
      }),
    );
  });

  it("leaves the old lifecycle when what must come before it fails", async () => {
    const { lines, wrangler, write } = recorder();
    const prepare = () => Promise.reject(new Error("not pinned"));
    await expect(deploy(wrangler, readProject(TOML), write, prepare)).rejects.toThrow("not pinned");
    expect(lines).toEqual([...SHIP, LIST_LOCKS]);
  });

  it("sets the locks that are asked for", async () => {
    const { lines, files, wrangler, write, prepare } = recorder();
    await deploy(wrangler, readProject(`${TOML}lock = "14d"`), write, prepare);
    expect(lines).toEqual([...SHIP, SET_LOCKS, PREPARE, LIFECYCLE]);
    const { rules } = files["lock"]!;
    expect(rules).toHaveLength(7);
    expect(rules).toContainEqual({
      id: "nightjar lock daily shop",
      enabled: true,
      prefix: "daily/shop/",
      condition: { type: "Age", maxAgeSeconds: 7 * 86_400 },
    });
    expect(rules).toContainEqual(
      expect.objectContaining({
        prefix: "weekly/shop/",
        condition: { type: "Age", maxAgeSeconds: 14 * 86_400 },
      }),
    );
  });

  it("takes our locks off when none is asked for any more, and leaves another's alone", async () => {
    const ours = recorder([], ["nightjar lock daily shop"]);
    await deploy(ours.wrangler, readProject(TOML), ours.write, ours.prepare);
    expect(ours.lines).toEqual([...SHIP, LIST_LOCKS, SET_LOCKS, PREPARE, LIFECYCLE]);
    expect(ours.files["lock"]).toEqual({ rules: [] });
    const other = recorder([], ["legal hold"]);
    await deploy(other.wrangler, readProject(TOML), other.write, other.prepare);
    expect(other.lines).toEqual([...SHIP, LIST_LOCKS, PREPARE, LIFECYCLE]);
  });

  it("asks only for the secrets that are not there", async () => {
    const project = readProject(TOML);
    expect(await missingSecrets(recorder(["ADMIN_TOKEN"]).wrangler, project)).toEqual([
      "SIGNING_KEY",
      "SHOP_TOKEN",
    ]);
    const all = ["ADMIN_TOKEN", "SIGNING_KEY", "SHOP_TOKEN"];
    expect(await missingSecrets(recorder(all).wrangler, project)).toEqual([]);
    const sealed = readProject(
      `${TOML}\nrecipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]\nidentity = "SHOP_IDENTITY"`,
    );
    expect(await missingSecrets(recorder(all).wrangler, sealed)).toEqual(["SHOP_IDENTITY"]);
    const masked = readProject(`${TOML}\n[vars.DATABASES.shop.sanitize]\nkey = "SHOP_MASKS"`);
    expect(await missingSecrets(recorder(all).wrangler, masked)).toEqual(["SHOP_MASKS"]);
    const fleet = readProject(
      `${TOML}\n[vars.TURSO]\norganization = "acme"\ntoken = "TURSO_TOKEN"\ndefaults = { encryptionKey = "ACME_KEY" }`,
    );
    expect(await missingSecrets(recorder(all).wrangler, fleet)).toEqual([
      ...["TURSO_TOKEN", "ACME_KEY"],
    ]);
  });

  it("takes a Worker that is not there yet for one without secrets, and no other failure", async () => {
    const failing = (output: string): Wrangler => ({
      run: () => Promise.resolve(""),
      ask: () => Promise.resolve({ ok: false, output }),
    });
    const absent = failing("This Worker does not exist on your account. [code: 10007]");
    expect(await missingSecrets(absent, readProject(TOML))).toHaveLength(3);
    await expect(missingSecrets(failing("not signed in"), readProject(TOML))).rejects.toThrow(
      "not signed in",
    );
  });

  it("refuses a mistake before anything is shipped", () => {
    expect(() => readProject(`${TOML}\nshedule = "0 0 * * *"`)).toThrow(
      /DATABASES\.shop\.shedule: unknown key/,
    );
    expect(() => readProject(`${TOML}\n[vars.TURSO]\norganisation = "acme"`)).toThrow(
      /TURSO\.organization: is missing; TURSO\.token: is missing; TURSO\.organisation: unknown key/,
    );
  });

  it.each([
    ['crons = ["* * * * *"]', "needs a second cron"],
    ['crons = ["*/5 * * * *", "30 3 * * *"]', 'needs the cron "* * * * *"'],
    ["crons = []", 'needs the cron "* * * * *"'],
  ])("refuses crons by which nothing would start, or nothing be pruned: %s", (crons, message) => {
    const other = TOML.replace(/^crons = .*$/m, crons);
    expect(() => readProject(other)).toThrow(message);
  });

  it("refuses tables that the Worker would never see", () => {
    const outside = TOML.replace("[vars.DATABASES.shop]", "[DATABASES.shop]");
    expect(() => readProject(outside)).toThrow(
      /a table \[DATABASES…\], which the Worker would never/,
    );
    expect(() => readProject(`${TOML}\n[COPY]\nbucket = "binding"`)).toThrow(/a table \[COPY…\]/);
  });

  it("says which locks are shorter than asked for", () => {
    const notes = (toml: string) => lockNotes(readProject(toml).databases);
    expect(notes(`${TOML}lock = "7d"`)).toEqual([]);
    expect(notes(TOML)).toEqual([]);
    expect(notes(`${TOML}lock = "31d"`)).toEqual([
      expect.stringMatching(/^shop: `lock` is 31d, longer .*: daily \(7d\), manual \(30d\), /),
    ]);
  });

  it("asks for the keys of the second copy, and refuses one beside its original", async () => {
    const s3 = `${TOML}
[vars.COPY]
endpoint = "https://s3.example/acme"
accessKeyId = "COPY_KEY_ID"
secretAccessKey = "COPY_KEY"
`;
    const there = ["ADMIN_TOKEN", "SIGNING_KEY", "SHOP_TOKEN"];
    const missing = await missingSecrets(recorder(there).wrangler, readProject(s3));
    expect(missing).toEqual(["COPY_KEY_ID", "COPY_KEY"]);

    const bound = (bucket: string) => `[[r2_buckets]]
binding = "COPY_BUCKET"
bucket_name = "${bucket}"
${TOML}
[vars.COPY]
bucket = "binding"
`;
    expect(readProject(bound("acme-copies")).copy).toMatchObject({ bucket: "binding" });
    expect(() => readProject(bound("acme-backups"))).toThrow(/must be another bucket/);
    const unbound = `${TOML}\n[vars.COPY]\nbucket = "binding"`;
    expect(() => readProject(unbound)).toThrow(/needs the R2 binding COPY_BUCKET/);
    expect(() => readProject(`${TOML}\n[vars.COPY]\nbuckt = "x"`)).toThrow(/COPY\.buckt: unknown/);
  });

  it("finds the project's own wrangler.toml in order", () => {
    const own = readProject(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
    expect(own).toMatchObject({ bucket: "nightjar" });
  });
});

/** Rules as wrangler 4 lists them. */
function listed(rules: readonly Record<string, string>[]): string {
  const lines = rules.map((rule) =>
    Object.entries(rule).map(([label, value]) => `\u001b[37m${label}:\u001b[39m  ${value}`),
  );
  return `Listing rules for bucket 'acme-backups'...\n${lines.map((one) => one.join("\n")).join("\n\n")}\n`;
}

describe("checking without a deploy", () => {
  const project = readProject(TOML);
  const sound = lifecycleRules(project.databases).rules.map((rule) => ({
    name: rule.id,
    enabled: "Yes",
    prefix: rule.conditions.prefix || "(all prefixes)",
    action: [
      rule.deleteObjectsTransition && ["Expire objects", rule.deleteObjectsTransition],
      ...(rule.storageClassTransitions ?? []).map((one) => [
        "Transition to Infrequent Access",
        one,
      ]),
      rule.abortMultipartUploadsTransition && [
        "Abort incomplete multipart uploads",
        rule.abortMultipartUploadsTransition,
      ],
    ]
      .filter((one) => one !== undefined)
      .map((one) => {
        const [words, { condition }] = one as [string, { condition: { maxAge: number } }];
        return `${words} after ${condition.maxAge / 86_400} days`;
      })
      .join(", "),
  }));

  async function check(rules: readonly Record<string, string>[]): Promise<string> {
    const asked: string[] = [];
    const wrangler: Wrangler = {
      run: () => Promise.reject(new Error("nothing may be changed")),
      async ask(args) {
        asked.push(args.join(" "));
        return { ok: true, output: args.includes("lock") ? listed([]) : listed(rules) };
      },
    };
    const lines = await checkProject(wrangler, project);
    expect(asked).toEqual(["r2 bucket lifecycle list acme-backups", LIST_LOCKS]);
    return lines.join("\n");
  }

  it("tells the secrets, and that the rules are as they should be", async () => {
    const told = await check([{ name: "somebody else's", enabled: "Yes" }, ...sound]);
    expect(told).toContain("It needs the secrets ADMIN_TOKEN, SIGNING_KEY, SHOP_TOKEN.");
    expect(told).toContain("The lifecycle rules of acme-backups are as they should be.");
    expect(told).toContain("The lock rules of acme-backups are as they should be.");
  });

  it("tells a rule that is missing, changed, off, or left over", async () => {
    const daily = sound.findIndex(({ name }) => name === "nightjar daily shop");
    const other = (fields: object) => sound.with(daily, { ...sound[daily]!, ...fields });
    expect(await check(sound.toSpliced(daily, 1))).toContain("  + nightjar daily shop");
    expect(await check([...sound, { ...sound[0]!, name: "nightjar daily old" }])).toContain(
      "  - nightjar daily old",
    );
    expect(await check(other({ action: "Expire objects after 1 day" }))).toMatch(
      /~ nightjar daily shop: .* after 1 day, should be .* after 7 days/,
    );
    expect(await check(other({ enabled: "No" }))).toContain("~ nightjar daily shop: (off)");
    expect(await check(other({ prefix: "daily/" }))).toContain("~ nightjar daily shop: daily/ ");
  });

  it("says that nothing was compared where nobody is signed in", async () => {
    const wrangler: Wrangler = {
      run: () => Promise.reject(new Error("nothing may be changed")),
      ask: () => Promise.resolve({ ok: false, output: "✘ [ERROR] Not signed in\n" }),
    };
    expect((await checkProject(wrangler, project)).join("\n")).toContain(
      "The lifecycle rules of acme-backups were not compared: Not signed in",
    );
  });
});
