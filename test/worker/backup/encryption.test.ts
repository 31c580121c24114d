import { Buffer } from "node:buffer";
import type { WorkflowStep } from "cloudflare:workers";
import { env } from "cloudflare:workers";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { eq } from "drizzle-orm";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { type Backup, newestBackup } from "../../../src/catalog/backups.ts";
import { enterRun, findRun } from "../../../src/catalog/runs.ts";
import { backups } from "../../../src/catalog/schema.ts";
import type { Context } from "../../../src/worker/context.ts";
import { decrypt, encrypt } from "../../../src/format/age/age.ts";
import { Meter } from "../../../src/format/bytes/hash.ts";
import { decodeSeekable } from "../../../src/format/bytes/seekable.ts";
import { zstdDecompress } from "../../../src/format/bytes/codec.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { copyBackup } from "../../../src/jobs/second-copy/copy.ts";
import { drillBackup } from "../../../src/jobs/proof/drill.ts";
import { rebuild } from "../../../src/jobs/recovery/rebuild.ts";
import { verifyBackup } from "../../../src/jobs/proof/verify.ts";
import type { Manifest } from "../../../src/model/manifest.ts";
import { manifestText } from "../../../src/store/document.ts";
import { apiOf } from "../../support/api.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";
import {
  allKeys,
  backUp,
  backupKeys,
  inlineStep,
  manualRun,
  testContext,
} from "../../support/context.ts";
import { boundSecond, secondKeys } from "../../support/second-store.ts";
import { chunksOf } from "../../support/ltx.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { tellStock, TursoDatabase } from "../../support/turso-database.ts";
import { putRotted } from "../../support/rotted.ts";

const { BUCKET, DB } = env;
const KINDS = ["pages", "rows", "dump"] as const;

let identity: string;
let recipients: string[];

beforeAll(async () => {
  identity = await generateIdentity();
  recipients = [
    await identityToRecipient(identity),
    await identityToRecipient(await generateIdentity()),
  ];
});

const stored = async ({ key }: { key: string }) =>
  new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());

/** Open what is stored, with the identity. */
async function opened({ key, kind, raw }: Manifest): Promise<Uint8Array> {
  const content = await gather(decrypt(chunksOf(await stored({ key }), 100_000), [identity]));
  return gather(
    kind === "dump"
      ? zstdDecompress(chunksOf(content, 100_000))
      : decodeSeekable(content, raw.bytes),
  );
}

const SCHEMA = `CREATE TABLE secrets (id INTEGER PRIMARY KEY, v TEXT);
  CREATE INDEX by_v ON secrets (v); CREATE VIEW seen AS SELECT v FROM secrets;
  CREATE TABLE knex_migrations (id INTEGER PRIMARY KEY, name TEXT);
  INSERT INTO knex_migrations (name) VALUES ('PLAINTEXT-migration');
  INSERT INTO secrets (v) VALUES ('PLAINTEXT-one'), ('PLAINTEXT-two'); PRAGMA user_version = 12;`;

let names = 0;
async function made(config: object, secrets: Record<string, string> = {}) {
  const name = `sealed${names++}`;
  const database = await PageDatabase.create(SCHEMA);
  const context = testContext(
    { [name]: { ...database.config, recipients, ...config } },
    { secrets },
  );
  const run = await backUp(context, manualRun(name));
  expect(run.error).toBeNull();
  const backup = (await newestBackup(context.catalog, name))!;
  return { name, database, context, backup };
}

describe("an encrypted backup", () => {
  it.each(KINDS)(
    "by %s is what an unencrypted one is, and only its identities open it",
    async (capture) => {
      const { name, database, backup } = await made({ capture });
      const { manifest } = backup;
      expect(await backupKeys(BUCKET, `manual/${name}/`)).toEqual(
        [manifest.manifestKey, manifest.key].toSorted(),
      );
      expect(manifest.key).toMatch(capture === "pages" ? /\.db\.zst\.age$/ : /\.sql\.zst\.age$/);
      expect(manifest.encryption).toMatchObject({ format: "age", recipients });
      const file = Buffer.from(await stored(manifest));
      expect(file.subarray(0, 21).toString()).toBe("age-encryption.org/v1");
      expect(file.length).toBe(manifest.stored.bytes);

      const plainly = testContext({ plain: { ...database.config, capture } });
      expect(await backUp(plainly, manualRun("plain"))).toMatchObject({ state: "done" });
      const plain = (await newestBackup(plainly.catalog, "plain"))!.manifest;
      expect(manifest.raw).toEqual(plain.raw);
      expect(manifest.tables).toEqual(plain.tables);
      expect(plain.schema.migration).toMatchObject({ name: "PLAINTEXT-migration" });
      expect(manifest.schema).toEqual({ ...plain.schema, migration: null });
      expect(JSON.stringify(manifest)).not.toContain("PLAINTEXT");
      const content = Buffer.from(await opened(manifest));
      expect(content.includes("PLAINTEXT-one")).toBe(true);
      expect(backup.verification).toMatchObject({ outcome: "verified" });
      expect(backup.drill).toMatchObject({
        outcome: "unproven",
        problem: { code: "BACKUP_ENCRYPTED" },
      });
    },
  );

  it("has the facts of everything that is hard to carry over", async () => {
    const configs = {
      hard: { url: inject("fidelity"), recipients },
      plain: { url: inject("fidelity") },
    };
    const context = testContext(configs);
    for (const name of ["hard", "plain"])
      expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
    const [hard, plain] = [
      (await newestBackup(context.catalog, "hard"))!.manifest,
      (await newestBackup(context.catalog, "plain"))!.manifest,
    ];
    expect(hard.raw).toEqual(plain.raw);
    expect(hard.tables).toEqual(plain.tables);
    expect(hard.schema).toEqual({ ...plain.schema, migration: null });
    expect(hard.snapshot?.log).toBeNull();
  });

  it("keeps no log, not even where there was one", async () => {
    const database = await PageDatabase.create(SCHEMA);
    const before = testContext({ logged: database.config });
    expect(await backUp(before, manualRun("logged"))).toMatchObject({ state: "done" });
    const log = await allKeys(BUCKET, "log/logged/");
    expect(log.filter((key) => key.endsWith(".ltx"))).toHaveLength(1);
    await database.exec("INSERT INTO secrets (v) VALUES ('later')");
    const context = testContext({ logged: { ...database.config, recipients } });
    expect(await backUp(context, manualRun("logged"))).toMatchObject({ state: "done" });
    await expect(context.followers.pull("logged")).rejects.toMatchObject({
      code: "PAGES_UNAVAILABLE",
    });
    expect(await allKeys(BUCKET, "log/logged/")).toEqual(log);
    expect(
      await context.followers
        .seed("logged", (await newestBackup(context.catalog, "logged"))!.id)
        .catch(() => {}),
    ).toBeUndefined();
    expect(await allKeys(BUCKET, "log/logged/")).toEqual(log);
  });

  it("has the rows of a server that gives its pages only to a log", async () => {
    const database = await TursoDatabase.create();
    await database.exec("CREATE TABLE secrets (v)", "INSERT INTO secrets VALUES ('PLAINTEXT-one')");
    const context = testContext({ turso: { url: database.source.url, recipients } });
    expect(await backUp(context, manualRun("turso"))).toMatchObject({ state: "done" });
    const { manifest } = (await newestBackup(context.catalog, "turso"))!;
    expect(manifest).toMatchObject({
      kind: "dump",
      method: { protocol: "rows", why: expect.stringContaining("encryption") as string },
      tables: [{ name: "secrets", rows: 1 }],
    });
    expect(Buffer.from(await stored(manifest)).includes("PLAINTEXT")).toBe(false);
    const sql = await opened(manifest);
    expect(await tellStock({ sql })).toEqual(await database.tell());
    expect(await allKeys(BUCKET, "log/turso/")).toEqual([]);
    await database.remove();
  });

  it("is not made of a dump that is cut", async () => {
    const context = testContext({
      cut: { url: `${inject("faults")}/cut/3000`, capture: "dump", recipients, attempts: 1 },
    });
    expect(await backUp(context, manualRun("cut"))).toMatchObject({ state: "failed" });
    expect(await allKeys(BUCKET, "manual/cut/")).toEqual([]);
  });
});

describe("what is not encrypted as the configuration says", () => {
  it.each([
    ["in the clear", () => [], "is not encrypted"],
    ["to others", () => recipients.slice(1), "encrypted to other recipients"],
  ])("fails and is removed: %s", async (_how, used, words) => {
    const database = await PageDatabase.create(SCHEMA);
    const config = (to: string[]) =>
      testContext({ turned: { ...database.config, ...(to.length > 0 && { recipients: to }) } });
    const context: Context = config(used());
    // The configuration changes between the capture and the next step, as when a Worker is deployed.
    const step = {
      do(name: string, ...rest: [never, never]) {
        if (name === "publish") {
          const { config: changed, fleet } = config(recipients);
          Object.assign(context, { config: changed, fleet });
        }
        return inlineStep.do(name, ...rest);
      },
    } as unknown as WorkflowStep;
    const run = manualRun("turned");
    await enterRun(context.catalog, run, Date.now());
    await expect(runBackup(context, run.id, step)).rejects.toThrow();
    expect(await findRun(context.catalog, run.id)).toMatchObject({
      state: "failed",
      error: { code: "ENCRYPTION_MISSING", message: expect.stringContaining(words) as string },
    });
    expect(await allKeys(BUCKET, "manual/turned/")).toEqual([]);
    expect(await newestBackup(context.catalog, "turned")).toBeUndefined();
  });
});

describe("a verify without a key", () => {
  it("finds every flipped bit and every cut", async () => {
    const { context, backup } = await made({ capture: "dump" });
    const { manifest } = backup;
    const file = await stored(manifest);
    const outcome = async (bytes: Uint8Array) => {
      await BUCKET.put(manifest.key, bytes);
      return (await verifyBackup(context, manifest)).problem?.code;
    };
    for (let at = 0; at < file.length; at++) {
      const spoiled = file.slice();
      spoiled[at]! ^= 1 << (at % 8);
      expect(await outcome(spoiled), `byte ${at}`).toBe("OBJECT_CORRUPT");
    }
    for (const length of [0, 1, 300, file.length - 1])
      expect(await outcome(file.slice(0, length)), `${length} bytes`).toBe("OBJECT_CORRUPT");
    await BUCKET.delete(manifest.key);
    expect((await verifyBackup(context, manifest)).problem?.code).toBe("OBJECT_MISSING");
    expect(await outcome(file)).toBeUndefined();
  });

  it("finds what is no age file of its length and recipients, though its hash fits", async () => {
    const { context, backup } = await made({ capture: "dump" });
    const content = await gather(
      decrypt(chunksOf(await stored(backup.manifest), 1000), [identity]),
    );
    const tried = async (bytes: Uint8Array) => {
      const altered = await replaced(context, backup, bytes);
      return (await verifyBackup(context, altered)).problem;
    };
    const again = (to: string[], bytes = content) => gather(encrypt(chunksOf(bytes, 1000), to));
    expect(await tried(await again(recipients))).toBeNull();
    expect(await tried(await again(recipients.slice(1)))).toMatchObject({ code: "OBJECT_CORRUPT" });
    expect(await tried(await again(recipients, content.slice(1)))).toMatchObject({
      code: "OBJECT_CORRUPT",
    });
    expect(await tried(content)).toMatchObject({ code: "OBJECT_CORRUPT" });
  });
});

/** Replace a backup's bytes, and put their hash into its manifest. */
async function replaced(context: Context, backup: Backup, bytes: Uint8Array): Promise<Manifest> {
  const meter = new Meter();
  meter.update(bytes);
  const manifest = { ...backup.manifest, stored: { bytes: meter.bytes, sha256: meter.digest() } };
  await putRotted(manifest.key, bytes);
  await putRotted(manifest.manifestKey, manifestText(manifest));
  await context.catalog.update(backups).set({ manifest }).where(eq(backups.id, backup.id)).run();
  return manifest;
}

describe("a drill with an identity", () => {
  it.each(KINDS)("of a backup by %s passes, and compares what is in it", async (capture) => {
    const { context, backup } = await made(
      { capture, identity: "OPENS_IT" },
      { OPENS_IT: `${identity}\n` },
    );
    expect(backup.drill).toMatchObject({ outcome: "passed" });
    const { tables, checks } = await drillBackup(context, backup.manifest);
    expect(tables).toMatchObject([
      { name: "secrets", rows: 2 },
      { name: "knex_migrations", rows: 1 },
    ]);
    expect(checks.map(({ name }) => name)).toEqual([
      "restore",
      "integrity",
      "foreign keys",
      "rows",
      "finished",
    ]);

    // The encrypted content does not match the manifest; the age file itself is valid.
    const content = await gather(
      decrypt(chunksOf(await stored(backup.manifest), 1000), [identity]),
    );
    content[content.length >> 1]! ^= 1;
    const spoiled = await replaced(
      context,
      backup,
      await gather(encrypt(chunksOf(content, 1000), recipients)),
    );
    expect((await verifyBackup(context, spoiled)).problem).toBeNull();
    expect(await drillBackup(context, spoiled)).toMatchObject({
      outcome: "failed",
      problem: { code: "OBJECT_CORRUPT" },
    });
  });

  it("of somebody else is unproven", async () => {
    const { backup } = await made(
      { identity: "OPENS_NOT" },
      { OPENS_NOT: await generateIdentity() },
    );
    expect(backup.drill).toMatchObject({
      outcome: "unproven",
      problem: { code: "IDENTITY_UNFIT" },
    });
  });
});

describe("the API", () => {
  it("gives what is stored, and refuses what would take a key", async () => {
    const { name, context, backup } = await made({});
    const api = apiOf(context);
    const { id, manifest } = backup;
    expect(await api.json(`/v1/backups/${id}`)).toMatchObject({
      formats: ["db.zst.age"],
      encryption: { format: "age", recipients },
    });
    expect(await api.json(`/v1/databases/${name}`)).toMatchObject({ state: "fresh" });
    const { url } = await api.json(`/v1/backups/${id}/links`, { format: "db.zst.age" });
    expect(
      Buffer.compare(Buffer.from(await api.bytes(url)), Buffer.from(await stored(manifest))),
    ).toBe(0);
    const { headers } = await api.call(url);
    expect(headers.get("etag")).toContain(manifest.stored.sha256.slice(0, 32));
    for (const format of ["db", "sql", "db.zst", "sql.zst.age"])
      expect(await api.json(`/v1/backups/${id}/links`, { format }, 422)).toMatchObject({
        code: "FORMAT_UNAVAILABLE",
        detail: expect.stringContaining("as db.zst.age, not as") as string,
      });
    expect(await api.json(`/v1/backups/${id}/query`, { sql: "SELECT 1" }, 422)).toMatchObject({
      code: "BACKUP_ENCRYPTED",
    });
    const target = (await PageDatabase.create()).config;
    for (const dryRun of [true, false])
      expect(await api.json(`/v1/backups/${id}/restore`, { target, dryRun }, 422)).toMatchObject({
        code: "BACKUP_ENCRYPTED",
      });
  });

  it("refuses to restore a dump before it looks at the target", async () => {
    const { context, backup } = await made({ capture: "dump" });
    const target = await PageDatabase.create("CREATE TABLE kept (v)");
    const asked = { target: target.config, dryRun: true };
    const answer = await apiOf(context).json(`/v1/backups/${backup.id}/restore`, asked, 422);
    expect(answer).toMatchObject({ code: "BACKUP_ENCRYPTED" });
  });

  it("pins, copies and finds it again like any other", async () => {
    const { name, context, backup } = await made({ retain: { manual: "30d" } });
    const api = apiOf(context);
    const secondStore = boundSecond("sealed/");
    const copying = testContext(
      { [name]: { url: "http://127.0.0.1:9", recipients } },
      { secondStore },
    );
    await api.json(`/v1/backups/${backup.id}/pin`, { reason: "audit" }, 200);
    expect(await allKeys(BUCKET, "pinned/manual/")).toContain(`pinned/${backup.manifest.key}`);
    const before = await api.json(`/v1/databases/${name}/backups`);
    await DB.prepare("DELETE FROM backups").run();
    for (let after: string | undefined; ;) {
      const { next } = await rebuild(context, after);
      if (next === null) break;
      after = next;
    }
    expect(await api.json(`/v1/databases/${name}/backups`)).toEqual(before);
    await copyBackup(copying, backup.id);
    expect(await secondKeys(secondStore)).toContain(backup.manifest.key);
  });
});
