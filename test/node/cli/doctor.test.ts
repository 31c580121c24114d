import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import { NEEDED_MIGRATION } from "../../../src/catalog/migrations.ts";
import { judgeAccount, judgeCatalog, judgeFleet } from "../../../src/cli/doctor/account.ts";
import { judgeCoverage } from "../../../src/cli/doctor/coverage.ts";
import { judgeDatabase, judgeProtection, judgeSource } from "../../../src/cli/doctor/database.ts";
import type { Finding } from "../../../src/cli/doctor/finding.ts";
import { claimsOf } from "../../../src/core/token-claims.ts";
import { COVERAGE } from "../../../src/http/answers/coverage.ts";
import { DATABASE, SOURCE } from "../../../src/http/answers/database.ts";
import type { DatabaseAnswer } from "../../../src/http/views.ts";
import { DAY, HOUR } from "../../../src/plan/duration.ts";

/** What the doctor makes of the answers that it gets. */
const NOW = Date.parse("2026-11-20T12:00:00.000Z");
const at = (ms: number) => new Date(NOW + ms).toISOString();

const told = (findings: readonly Finding[]) =>
  findings
    .filter(({ level }) => level !== "good")
    .map(({ level, message }) => `${level}: ${message}`);

describe("address, version, clock and token", () => {
  const CALLER = {
    ...{ name: "ci", scopes: ["backup"], databases: ["shop"], expiresAt: null },
    ...{ now: at(0), version: "0.1.0", asked: NOW - 50, answered: NOW + 50 },
  };
  const judge = (fields: object) =>
    told(judgeAccount("https://x", "0.1.0", { ...CALLER, ...fields }));

  it.each([
    [{}, []],
    [{ version: "0.2.0" }, ["warning: It has version 0.2.0, and this command 0.1.0."]],
    [{ expiresAt: at(15 * DAY) }, []],
    [{ expiresAt: at(13 * DAY) }, ["warning: ci may backup (shop), and ends in 13 d."]],
    [{ now: at(20_000) }, []],
    [{ now: at(120_000) }, ["warning: Its clock is 2 min ahead of this machine's."]],
    [{ now: at(-120_000) }, ["warning: Its clock is 2 min behind this machine's."]],
    // A slow answer says little of the clock.
    [{ now: at(40_000), asked: NOW - 50_000, answered: NOW + 50_000 }, []],
  ])("%j", (fields, expected) => {
    expect(judge(fields)).toEqual(expected);
  });
});

describe("the catalog's migrations", () => {
  const [older, newest, newer] = ["0010_link_choice.sql", NEEDED_MIGRATION, "0999_later.sql"];
  it.each([
    [newest, "good", /newest migration is/],
    [older, "problem", /needs 00/],
    [newer, "warning", /the Worker is older/],
    [null, "unseen", /no list/],
  ])("%s", (applied, level, message) => {
    const found = judgeCatalog({ applied, needed: newest });
    expect(found).toMatchObject({ level, message: expect.stringMatching(message) });
  });

  it("are needed up to the last file", () => {
    const files = readdirSync(join(ROOT, "migrations")).filter((name) => name.endsWith(".sql"));
    expect(files.toSorted().at(-1)).toBe(NEEDED_MIGRATION);
  });
});

describe("cron, alerts and copies", () => {
  const channel = { name: "ops", mistakes: [], error: null };
  const SOUND = { cronAt: at(0), isAsleep: false, channels: [channel], hasCopies: true };
  const unseen = "unseen: The bucket's own rules can be seen by its Cloudflare account alone.";

  it.each([
    [{}, []],
    [{ isAsleep: true }, [`problem: It last ran at ${at(0)}.`]],
    [{ isAsleep: true, cronAt: null }, ["problem: It has never run: nothing is backed up."]],
    [{ channels: [] }, ["warning: Nobody is told when a backup fails."]],
    [
      { channels: [{ ...channel, error: { message: "refused", hint: "-" } }] },
      ["problem: Channel ops: refused"],
    ],
    [
      { channels: [{ ...channel, mistakes: [{ path: "ALERTS.ops.url", fix: "is missing" }] }] },
      ["problem: ALERTS.ops.url is missing"],
    ],
    [
      { hasCopies: false },
      ["warning: There is no second copy: an account that is lost takes all backups along."],
    ],
  ])("%j", (fields, expected) => {
    const found = told(judgeFleet({ ...SOUND, ...fields }));
    expect(found).toEqual(expect.arrayContaining([...expected, unseen]));
    expect(found.filter((one) => one !== unseen).slice(0, 1)).toEqual(expected.slice(0, 1));
  });
});

describe("Turso's list, and what is not protected", () => {
  const of = (why: string, ...names: string[]) =>
    names.map((name) => ({ ...COVERAGE.databases[0]!, name, why }));
  const error = { code: "X", message: "It was refused.", hint: "Mend it." };
  const NONE = "is protected, or left out by `exclude`.";

  it.each([
    [{ databases: [] }, [`good: All that Turso lists ${NONE}`]],
    [{ databases: of("gone") }, [`good: All that Turso lists ${NONE}`]],
    [{ databases: of("group", "a") }, ["warning: a is not protected, of 250 that Turso lists."]],
    [
      { databases: of("not-included", "a", "b", "c", "d", "e", "f", "g") },
      ["warning: a, b, c, d, e and 2 more are not protected, of 250 that Turso lists."],
    ],
    [
      { databases: [...of("excluded", "x", "y"), ...of("name-taken", "shop")] },
      [
        "warning: shop is not protected, of 250 that Turso lists.",
        "good: `exclude` of TURSO leaves out x and y.",
      ],
    ],
    // The entry's own findings tell what is wrong with it.
    [{ databases: of("misconfigured", "a") }, [`good: All that Turso lists ${NONE}`]],
    [
      { databases: [{ name: "late", protected: true, why: null }] },
      [`good: All that Turso lists ${NONE}`],
    ],
    [{ organization: null, databases: [] }, []],
  ])("%j", (fields, expected) => {
    const found = judgeCoverage({ ...COVERAGE, ...fields }, NOW);
    const levels = found.filter(({ about }) => about === "coverage");
    expect(levels.map(({ level, message }) => `${level}: ${message}`)).toEqual(expected);
    expect(found.every(({ level, fix }) => level === "good" || fix)).toBe(true);
  });

  it.each([
    [{ listedAt: at(-HOUR) }, []],
    [
      { listedAt: at(-4 * HOUR) },
      [
        "warning: The list of acme was read 4 h ago: databases that were made since are not protected.",
      ],
    ],
    [{ listedAt: at(-4 * HOUR), everySeconds: 7200 }, []],
    // Every five minutes or so is nothing to be told of when one was missed.
    [{ listedAt: at(-HOUR / 2), everySeconds: 300 }, []],
    [{ listedAt: at(-HOUR), error }, ["problem: The list of acme is not read: It was refused."]],
    [{ listedAt: null }, ["problem: The list of acme was never read: nothing of it is backed up."]],
    [{ listedAt: null, error }, ["problem: The list of acme is not read: It was refused."]],
    [
      { organization: null, listedAt: null, mistakes: [{ path: "TURSO.every", fix: "is wrong" }] },
      ["problem: TURSO.every is wrong"],
    ],
  ])("%j", (fields, expected) => {
    expect(told(judgeCoverage({ ...COVERAGE, databases: [], ...fields }, NOW))).toEqual(expected);
  });

  it("suggests delete protection once, whatever the number", () => {
    expect(told(judgeProtection([]))).toEqual([]);
    expect(told(judgeProtection(["a", "b", "c", "d", "e", "f"]))).toEqual([
      "warning: It is off in Turso: one command deletes a, b, c, d, e and 1 more.",
    ]);
  });
});

describe("a database", () => {
  const error = { code: "X", message: "It broke.", hint: "Mend it." };
  const lastRun = { ...DATABASE.lastRun!, state: "failed", error };
  const copy = { ...DATABASE.newestBackup!, copy: { state: "failed", error } };

  it.each([
    [{}, []],
    [{ state: "none", newestBackup: null }, ["problem: It has no backup yet."]],
    [{ state: "late" }, ["warning: Its newest backup is late."]],
    [{ state: "corrupt" }, ["problem: Its newest backup is corrupt."]],
    [{ lastRun }, ["problem: Its last run failed: It broke."]],
    [{ follow: { ...DATABASE.follow, error } }, ["problem: Its log does not follow: It broke."]],
    [{ newestBackup: copy }, ["problem: Its newest backup has no second copy: It broke."]],
    [{ nextScheduledAt: null }, ["warning: Nothing is scheduled."]],
    [
      { recoveryPoint: { ...DATABASE.recoveryPoint, state: "missed" } },
      ["warning: Its objective of 1 h for the recovery point is missed."],
    ],
    [
      { state: "misconfigured", mistakes: [{ path: "DATABASES.shop.url", fix: "is missing" }] },
      ["problem: DATABASES.shop.url is missing"],
    ],
    [
      { state: "not configured" },
      ["warning: It is not configured any more: its backups stay, and no new ones are made."],
    ],
  ])("%j", (fields, expected) => {
    const database = { ...DATABASE, ...fields } as unknown as DatabaseAnswer;
    const findings = judgeDatabase(database);
    expect(told(findings)).toEqual(expected);
    expect(findings.every(({ level, fix }) => level === "good" || fix)).toBe(true);
  });
});

describe("its server and token", () => {
  const judge = (fields: object) =>
    told(judgeSource("shop", { ...SOURCE, ...fields } as never, NOW));
  const TURSO = { allowedIps: null, allowedVpcs: null, deleteProtected: true, error: null };
  const token = (fields: object) => ({ token: { ...SOURCE.token!, ...fields } });

  it.each([
    [{}, []],
    [{ token: null }, []],
    [
      { method: null, error: { code: "X", message: "It is gone.", hint: "-" } },
      ["problem: Its server: It is gone."],
    ],
    [
      { method: { ...SOURCE.method!, protocol: "dump", why: "no pages" } },
      ["warning: Its server answers in 84 ms, and is read by dump alone: no pages."],
    ],
    [token({ expiresAt: at(-1) }), ["problem: Its source's token has expired."]],
    [token({ expiresAt: at(DAY) }), ["warning: Its source's token expires in 1 d."]],
    [
      token({ readOnly: false }),
      ["warning: Its source's token may write, which Nightjar never does."],
    ],
    [token({ readOnly: null, expiresAt: null }), []],
    [{ turso: { ...TURSO, deleteProtected: false } }, []],
    // Nightjar has made this token, and makes the next one.
    [{ turso: TURSO, ...token({ expiresAt: at(HOUR) }) }, []],
    [
      { turso: { ...TURSO, allowedIps: ["192.0.2.1", "192.0.2.2"] } },
      [
        "warning: Only these addresses may connect: 192.0.2.1, 192.0.2.2. A Worker has no fixed address.",
      ],
    ],
    [
      {
        ...{ turso: { ...TURSO, allowedVpcs: ["vpce-1"] }, method: null },
        error: { code: "X", message: "It is gone.", hint: "-" },
      },
      [
        "problem: One may connect only through vpce-1 of AWS. A Worker comes through none.",
        "problem: Its server: It is gone.",
      ],
    ],
    [
      { turso: { ...TURSO, error: { code: "X", message: "Too many.", hint: "Wait." } } },
      ["warning: Turso does not tell its settings: Too many."],
    ],
  ])("%j", (fields, expected) => {
    expect(judge(fields)).toEqual(expected);
  });

  it("wants a token that may write where another database's refresh does", () => {
    const judged = (readOnly: boolean) =>
      told(judgeSource("staging", { ...SOURCE, ...token({ readOnly }) } as never, NOW, "shop"));
    expect(judged(false)).toEqual([]);
    expect(judged(true)).toEqual([
      "problem: Its token reads only, and the refresh of shop writes to it.",
    ]);
  });

  it.each([
    [
      { exp: 100, a: "ro" },
      { expiresAt: 100_000, readOnly: true },
    ],
    [{ a: "rw" }, { expiresAt: undefined, readOnly: false }],
    [{ p: { ro: { ns: ["x"] } } }, { expiresAt: undefined, readOnly: true }],
    [{ p: { rw: { ns: ["x"] }, ro: {} } }, { expiresAt: undefined, readOnly: false }],
    [
      { id: "x", exp: "soon" },
      { expiresAt: undefined, readOnly: undefined },
    ],
  ])("a token that says %j", (payload, expected) => {
    const text = Buffer.from(JSON.stringify(payload)).toString("base64url");
    expect(claimsOf(`e30.${text}.signature`)).toEqual(expected);
  });

  it.each([undefined, "", "opaque", "a.b.c", "a.e30=.c", `a.${btoa("null")}.c`])(
    "nothing of the opaque token %j",
    (token) => {
      expect(claimsOf(token)).toEqual({ expiresAt: undefined, readOnly: undefined });
    },
  );
});
