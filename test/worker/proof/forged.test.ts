import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { findBackup, newestBackup } from "../../../src/catalog/backups.ts";
import { lineagesOf, openLineage, segmentsOf, logsOf } from "../../../src/catalog/lineages.ts";
import { decrypt, encrypt } from "../../../src/format/age/age.ts";
import { zstdCompress, zstdDecompress } from "../../../src/format/bytes/codec.ts";
import { pagesInFile } from "../../../src/format/pages/database-file.ts";
import { seekableCompress } from "../../../src/format/bytes/seekable.ts";
import { runNightly } from "../../../src/jobs/schedule/nightly.ts";
import { pruneLog } from "../../../src/jobs/log/prune.ts";
import { pinBackup } from "../../../src/jobs/retention/pin.ts";
import { prove } from "../../../src/jobs/proof/prove.ts";
import { verifyLog } from "../../../src/jobs/proof/verify-log.ts";
import type { Manifest } from "../../../src/model/manifest.ts";
import { DAY, HOUR } from "../../../src/plan/duration.ts";
import { listKeys } from "../../../src/store/list.ts";
import { apiOf } from "../../support/api.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";
import { chanceOf } from "../../support/chance.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { intercepted, KilledError } from "../../support/failing.ts";
import { chunksOf, decoded, encoded } from "../../support/ltx.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { askRestore } from "../../support/restores.ts";
import { unpacked } from "../../support/seekable-file.ts";

/**
 * Replace every kind of object by another one of the same size whose own checksums are right: the next read
 * must report it.
 */
const { BUCKET, DB } = env;
const HONEST = "honest-7c1e";
const SEED = 20_261_128;

let source: PageDatabase;
let identity: string;
let now = Math.ceil(Date.now() / DAY) * DAY + HOUR;
let context: ReturnType<typeof testContext>;

beforeAll(async () => {
  identity = await generateIdentity();
  const recipients = [await identityToRecipient(identity)];
  source = await PageDatabase.create(`CREATE TABLE notes (id INTEGER PRIMARY KEY, said TEXT);
    INSERT INTO notes VALUES (1, '${HONEST}')`);
  await source.fill("items", 40);
  const databases = {
    shop: { ...source.config, retain: { log: "3d" } },
    dumped: { ...source.config, capture: "dump" },
    sealed: { ...source.config, recipients },
  };
  context = testContext(databases, { now: () => now });
  for (const name of Object.keys(databases))
    expect(await backUp(context, manualRun(name)), name).toMatchObject({ state: "done" });
}, 120_000);

/** Create a context as another request has it: it remembers nothing. */
function fresh(store: { bucket?: R2Bucket; db?: D1Database } = {}) {
  const { config, fleet, sourceOf } = context;
  return { ...testContext({}, { ...store, now: () => now }), config, fleet, sourceOf };
}

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

async function stored(key: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());
}

/** Make other content of the same length: the `number`th. */
function forgedContent(content: Uint8Array, number: number): Uint8Array {
  const bytes = Buffer.from(content);
  const text = `forged-${((number * 7919) % 65_536).toString(16).padStart(4, "0")}`;
  let found = 0;
  for (let at = bytes.indexOf(HONEST); at !== -1; at = bytes.indexOf(HONEST, at + 1)) {
    bytes.write(text, at);
    found++;
  }
  expect(found).toBeGreaterThan(0);
  return new Uint8Array(bytes);
}

/** Make a forgery with the size of what it replaces. */
async function sameSize(
  size: number,
  forge: (number: number) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  for (let number = 1; number < 3000; number++) {
    const bytes = await forge(number);
    if (bytes.length === size) return bytes;
  }
  throw new Error("no forgery has the size");
}

const repacked = (file: Uint8Array, pageSize: number) =>
  gather(seekableCompress(pagesInFile(chunksOf(file, pageSize), pageSize), () => {}));

async function forgedSnapshot({ key, snapshot }: Manifest): Promise<Uint8Array> {
  const bytes = await stored(key);
  const file = await unpacked(bytes);
  return sameSize(bytes.length, (number) =>
    repacked(forgedContent(file, number), snapshot!.pageSize),
  );
}

async function forgedDump({ key }: Manifest): Promise<Uint8Array> {
  const bytes = await stored(key);
  const sql = await gather(zstdDecompress(chunksOf(bytes)));
  return sameSize(bytes.length, (number) =>
    gather(zstdCompress(chunksOf(forgedContent(sql, number)))),
  );
}

async function forgedSealed({ key, encryption, snapshot }: Manifest): Promise<Uint8Array> {
  const bytes = await stored(key);
  const content = await gather(decrypt(chunksOf(bytes), [identity]));
  const file = await unpacked(content);
  const other = await sameSize(content.length, (number) =>
    repacked(forgedContent(file, number), snapshot!.pageSize),
  );
  return gather(encrypt(chunksOf(other), encryption!.recipients));
}

async function forgedSegment(key: string): Promise<Uint8Array> {
  const bytes = await stored(key);
  const { header, pages } = await decoded(bytes);
  return sameSize(bytes.length, (number) =>
    encoded(
      header,
      pages.map(({ pgno, data }) => ({
        pgno,
        data: Buffer.from(data).includes(HONEST) ? forgedContent(data, number) : data,
      })),
    ),
  );
}

/** Change words in a document, and recompute the hash beside it. */
async function forgeDocument(key: string, from: string | RegExp, to: string): Promise<void> {
  const { customMetadata } = (await BUCKET.head(key))!;
  const text = new TextDecoder().decode(await stored(key));
  const other = text.replace(from, to);
  expect(other).not.toBe(text);
  await BUCKET.put(key, other, { customMetadata: { ...customMetadata, sha256: sha256(other) } });
}

/** Replace an object as somebody else, look, and put the old one back. */
async function replaced<T>(key: string, bytes: Uint8Array, look: () => Promise<T>): Promise<T> {
  const before = await stored(key);
  const { customMetadata = {} } = (await BUCKET.head(key))!;
  const note = customMetadata["sha256"] === undefined ? {} : { sha256: sha256(bytes) };
  await BUCKET.put(key, bytes, { customMetadata: { ...customMetadata, ...note } });
  try {
    return await look();
  } finally {
    await BUCKET.put(key, before, { customMetadata });
  }
}

async function backupOf(name: string) {
  return (await newestBackup(context.catalog, name))!;
}

/** Return the code with which an API call ends, before or in the middle of its answer. */
async function codeOf(path: string, body?: object): Promise<string> {
  const answer = await apiOf(fresh()).call(path, body);
  if (answer.ok) return "ok";
  return ((await answer.json()) as { code: string }).code;
}

/** Download in a format; returns "broken" if the download does not complete. */
async function download(links: string, body: object): Promise<string> {
  const { url } = await apiOf(context).json(links, body);
  const answer = await apiOf(fresh()).call(url);
  if (!answer.ok) return ((await answer.json()) as { code: string }).code;
  return answer.arrayBuffer().then(
    () => "whole",
    () => "broken",
  );
}

async function restored(path: string, body: object) {
  const target = await PageDatabase.create();
  return (await askRestore(fresh(), path, { target: target.config, ...body })).last;
}

const BAD = ["OBJECT_CORRUPT", "broken"];

/** Expect that everything that reads a backup's bytes reports that they were replaced. */
async function expectNoticed(name: string, formats: readonly string[]): Promise<void> {
  const { id, manifest } = await backupOf(name);
  for (const act of ["verify", "drill"] as const) {
    const { outcome, problem } = await prove(fresh(), id, act);
    expect(outcome, act).toMatch(/corrupt|failed/);
    expect(problem, act).toMatchObject({ code: "OBJECT_CORRUPT" });
    expect(problem!.message).toContain("was replaced since Nightjar wrote it");
  }
  for (const format of formats)
    expect(BAD, format).toContain(await download(`/v1/backups/${id}/links`, { format }));
  if (manifest.kind === "snapshot" && manifest.encryption === undefined)
    expect(await codeOf(`/v1/backups/${id}/query`, { sql: "SELECT * FROM notes" })).toBe(
      "OBJECT_CORRUPT",
    );
  if (manifest.encryption !== undefined) return;
  for (const way of manifest.kind === "dump" ? ["statements"] : ["pages", "statements"]) {
    const last = await restored(`/v1/backups/${id}/restore`, { way });
    expect(JSON.stringify(last), way).toContain("OBJECT_CORRUPT");
  }
}

const MANY = ["db.zst", "db", "sql", "sql.gz", "sql.zst", "libsql.sql"];

describe("bytes that somebody has replaced, their checksums made anew", () => {
  it("of a snapshot", async () => {
    const { manifest } = await backupOf("shop");
    await replaced(manifest.key, await forgedSnapshot(manifest), () => expectNoticed("shop", MANY));
  }, 300_000);

  it("of a dump", async () => {
    const { manifest } = await backupOf("dumped");
    await replaced(manifest.key, await forgedDump(manifest), () =>
      expectNoticed("dumped", ["sql.zst", "sql", "sql.gz"]),
    );
  }, 300_000);

  it("of an encrypted backup", async () => {
    const { manifest } = await backupOf("sealed");
    await replaced(manifest.key, await forgedSealed(manifest), async () => {
      const { id } = manifest;
      expect((await prove(fresh(), id, "verify")).problem).toMatchObject({
        code: "OBJECT_CORRUPT",
      });
      expect(BAD).toContain(await download(`/v1/backups/${id}/links`, { format: "db.zst.age" }));
    });
  }, 300_000);

  it("of a pinned copy, and its manifest", async () => {
    const { id } = await backupOf("shop");
    const pinned = await pinBackup(context, id, "user", "to be forged");
    await replaced(pinned.key, await forgedSnapshot(pinned), () => expectNoticed("shop", MANY));
    const text = new TextDecoder().decode(await stored(pinned.manifestKey));
    const other = Buffer.from(text.replace("to be forged", "to be FORGED"));
    await replaced(pinned.manifestKey, other, async () =>
      expect((await prove(fresh(), id, "verify")).problem).toMatchObject({
        code: "OBJECT_CORRUPT",
      }),
    );
  }, 300_000);

  it("is no replacement when the bytes are the same", async () => {
    const { id, manifest } = await backupOf("shop");
    await BUCKET.put(manifest.key, await stored(manifest.key));
    expect((await prove(fresh(), id, "verify")).outcome).toBe("verified");
    expect(await codeOf(`/v1/backups/${id}/query`, { sql: "SELECT 1" })).toBe("ok");
  });
});

describe("documents that somebody has replaced, their hashes made anew", () => {
  it("a manifest", async () => {
    const { id, manifest } = await backupOf("dumped");
    const before = await stored(manifest.manifestKey);
    const text = new TextDecoder().decode(before);
    const other = Buffer.from(text.replace('"name": null', '"name": "my"'));
    await replaced(manifest.manifestKey, other, async () =>
      expect((await prove(fresh(), id, "verify")).problem).toMatchObject({
        code: "OBJECT_CORRUPT",
      }),
    );
  });

  it("a proof", async () => {
    const { id, manifest } = await backupOf("dumped");
    const proof = (await listKeys(BUCKET, manifest.key.replace(/sql\.zst$/, "proof-")))[0]!;
    const text = new TextDecoder().decode(await stored(proof));
    await replaced(proof, Buffer.from(text.replace('"ok": true', '"ok": false')), async () =>
      expect(await codeOf(`/v1/backups/${id}/proofs`)).toBe("OBJECT_CORRUPT"),
    );
    expect(await codeOf(`/v1/backups/${id}/proofs`)).toBe("ok");
    // A proof that Nightjar did not write.
    const added = proof.replace(/proof-.*/, "proof-20991231T000000Z.json");
    await BUCKET.put(added, text);
    expect(await codeOf(`/v1/backups/${id}/proofs`)).toBe("OBJECT_UNSIGNED");
    await BUCKET.delete(added);
  });

  it("an entry of an erasure list, one that is gone, and one that somebody has added", async () => {
    const { id } = await backupOf("shop");
    const api = apiOf(context);
    const entry = { table: "notes", column: "id", key: "1", who: "dpo" };
    await api.json("/v1/databases/shop/erasures", entry);
    const [key] = await listKeys(BUCKET, "erasures/shop/");
    const links = `/v1/backups/${id}/links`;
    expect(await codeOf(links, { format: "sql" })).toBe("ok");
    const before = await stored(key!);
    const { customMetadata = {} } = (await BUCKET.head(key!))!;
    await forgeDocument(key!, '"notes"', '"other"');
    expect(await codeOf(links, { format: "sql" })).toBe("OBJECT_CORRUPT");
    await BUCKET.delete(key!);
    expect(await codeOf(links, { format: "sql" })).toBe("OBJECT_MISSING");
    await BUCKET.put(key!, before, { customMetadata });
    expect(await codeOf(links, { format: "sql" })).toBe("ok");

    const added = key!.replace(/[0-9a-z]{12}\.json$/, "00000000000a.json");
    const text = new TextDecoder().decode(before).replace(/"id": "\w+"/, '"id": "00000000000a"');
    await BUCKET.put(added, text, { customMetadata: { ...customMetadata, sha256: sha256(text) } });
    expect(await codeOf(links, { format: "sql" })).toBe("OBJECT_UNSIGNED");
    await BUCKET.delete(added);
    await context.bucket.delete(key!);
  });
});

/** Make a log with a base, pulled segments, and a segment merged from others. */
async function log(): Promise<Record<"base" | "pulled" | "merged", string>> {
  for (let hour = 0; hour < 3; hour++) {
    await source.exec(`UPDATE notes SET said = '${HONEST}' || ' in ${hour}' WHERE id = 1`);
    await context.followers.pull("shop");
    now += 5 * 60_000;
    await source.exec(`INSERT INTO notes (said) VALUES ('${HONEST}')`);
    await context.followers.pull("shop");
    now += HOUR;
  }
  // The first pull of the hour compacts the log; the second one adds its own segment.
  for (const mark of ["!", "?"]) {
    await source.exec(`UPDATE notes SET said = '${HONEST}${mark}' WHERE id = 1`);
    await context.followers.pull("shop");
    now += 60_000;
  }
  const { id } = (await openLineage(context.catalog, "shop"))!;
  const rows = await segmentsOf(context.catalog, id);
  const keyOf = (level: number) => rows.findLast((row) => row.level === level)!.key;
  const base = rows.findLast((row) => row.minTxid === 1)!.key;
  return { base, pulled: keyOf(0), merged: keyOf(1) };
}

describe("a segment of the page log that somebody has replaced", () => {
  it.each(["base", "pulled"] as const)(
    "%s: no backup is made of it",
    async (kind) => {
      const { [kind]: key } = await log();
      const { txid, committedAt } = (await openLineage(context.catalog, "shop"))!;
      await replaced(key, await forgedSegment(key), async () => {
        const at = new Date(committedAt).toISOString();
        const query = { sql: "SELECT * FROM notes", at };
        expect(await codeOf("/v1/databases/shop/query", query)).toBe("OBJECT_CORRUPT");
        for (const format of ["sql", "db", "db.zst"])
          expect(BAD, format).toContain(await download("/v1/databases/shop/links", { format, at }));
        for (const way of ["pages", "statements"]) {
          const last = await restored("/v1/databases/shop/restore", { way, at });
          expect(JSON.stringify(last), way).toContain("OBJECT_CORRUPT");
        }
        const run = await backUp({ ...fresh(), followers: context.followers }, manualRun("shop"));
        // The first attempt reports the damage and ends the log; the next reads everything from the source.
        expect(run).toMatchObject({ state: "done" });
        const { manifest } = (await findBackup(context.catalog, run.backupId!))!;
        expect(manifest.snapshot?.log?.txid ?? 0).not.toBe(txid);
        const file = await unpacked(await stored(manifest.key));
        expect(Buffer.from(file).includes("forged")).toBe(false);
        expect(Buffer.from(file).includes(HONEST)).toBe(true);
      });
    },
    300_000,
  );

  it("merged: a verify of the log ends it and says which, and so does the night", async () => {
    const { merged, base } = await log();
    const verify = async () =>
      (await apiOf(fresh()).json("/v1/databases/shop/log/verify", {}, 200)) as any;
    expect((await verify()).damaged).toEqual([]);
    const { id } = (await openLineage(context.catalog, "shop"))!;
    await replaced(merged, await forgedSegment(merged), async () => {
      const { damaged, next, segments } = await verify();
      expect(damaged).toMatchObject([{ key: merged, error: { code: "OBJECT_CORRUPT" } }]);
      expect({ next, more: segments > 5 }).toEqual({ next: null, more: true });
      const ended = (await lineagesOf(context.catalog, "shop")).find((row) => row.id === id);
      expect(ended!.endedAt).not.toBeNull();
    });
    expect((await verify()).damaged).toEqual([]);
    await replaced(base, await forgedSegment(base), async () => {
      now += 60_000;
      const { damaged } = (await apiOf(fresh()).json("/v1/reconcile", {}, 200)) as any;
      expect(damaged).toEqual([base]);
    });
    await runNightly(context, now);
  }, 300_000);

  it("pulled, and merged since: a verify of the log says which, and the log goes on", async () => {
    await backUp(context, manualRun("shop")); // begins a log
    await log();
    const { id } = (await openLineage(context.catalog, "shop"))!;
    const rows = await segmentsOf(context.catalog, id);
    const { minTxid } = rows.find(({ level }) => level === 1)!;
    const { key } = rows.find((row) => row.level === 0 && row.minTxid === minTxid)!;
    await replaced(key, await forgedSegment(key), async () => {
      const { damaged } = await verifyLog(fresh(), "shop");
      expect(damaged).toMatchObject([{ key, error: { code: "OBJECT_CORRUPT" } }]);
      expect((await openLineage(context.catalog, "shop"))?.id).toBe(id);
    });
  }, 300_000);
});

describe("a segment that a prune takes away", () => {
  it("is no damage, whether its row is still there or goes while the log is read", async () => {
    await backUp(context, manualRun("shop"));
    await log();
    now += 4 * DAY;
    await source.exec("UPDATE notes SET said = 'later' WHERE id = 1");
    await context.followers.pull("shop"); // makes a new base
    now += 4 * DAY;
    const { id } = (await openLineage(context.catalog, "shop"))!;
    const keys = async () => (await segmentsOf(context.catalog, id)).map(({ key }) => key);
    const oldest = (await segmentsOf(context.catalog, id)).find(({ level }) => level === 0)!.key;
    const shop = context.config.databases.get("shop")!;
    const wholeLogs = async () => (await logsOf(context.catalog, ["shop"])).get("shop")!;
    let killed = false;
    const dying = intercepted({ BUCKET, DB }, async (_owner, method, call) => {
      if (killed) throw new KilledError();
      const result = await call();
      killed = method === "delete" && (await BUCKET.head(oldest)) === null;
      return result;
    });
    const logs = await wholeLogs();
    await expect(pruneLog(fresh(dying), shop, logs, now)).rejects.toThrow("killed");
    expect(await keys()).toContain(oldest);

    expect((await verifyLog(fresh(), "shop")).damaged).toEqual([]);
    let pruned = false;
    const meanwhile = intercepted({ BUCKET, DB }, async (_owner, method, call) => {
      if (method === "get" && !pruned) {
        pruned = true;
        await pruneLog(fresh(), shop, await wholeLogs(), now);
      }
      return call();
    });
    expect((await verifyLog(fresh(meanwhile), "shop")).damaged).toEqual([]);
    expect(await keys()).not.toContain(oldest);
    expect((await openLineage(context.catalog, "shop"))?.id).toBe(id);
  }, 300_000);
});

describe("one byte of any object", () => {
  it("replaced anywhere, by somebody who makes the hash beside it anew, is noticed", async () => {
    const chance = chanceOf(SEED);
    now += HOUR;
    for (const name of ["shop", "dumped"]) await backUp(context, manualRun(name));
    await log();
    const { id } = await backupOf("shop");
    await prove(context, id, "verify");
    await pinBackup(context, id, "user", "for the sweep");
    const api = apiOf(context);
    const entry = { table: "notes", column: "id", key: "9", who: "dpo" };
    const listed = (await api.json("/v1/databases/shop/erasures", entry)) as { id: string };
    const withdrawal = { reason: "a mistake", who: "dpo" };
    const { status } = await api.call(
      `/v1/databases/shop/erasures/${listed.id}`,
      withdrawal,
      "DELETE",
    );
    expect(status).toBe(200);

    const keys = (await listKeys(BUCKET, "")).filter((key) => /\/(shop|dumped)\//.test(key));
    for (const kind of [
      /^manual\/.*\.db\.zst$/,
      /^manual\/.*\.sql\.zst$/,
      /^manual\/[^.]*\.json$/,
      /^pinned\/.*\.db\.zst$/,
      /proof-[^/]*\.json$/,
      /^log\/.*\.ltx$/,
      /^erasures\/.*\d\w+\.json$/,
      /^erasures\/.*\.withdrawn\.json$/,
    ])
      expect(keys.filter((key) => kind.test(key)).length, String(kind)).toBeGreaterThan(0);
    for (const key of keys)
      for (let trial = 0; trial < 3; trial++) {
        const bytes = await stored(key);
        const at = chance.below(bytes.length);
        bytes[at]! ^= 1 << chance.below(8);
        await replaced(key, bytes, async () => {
          const object = fresh().bucket.get(key);
          await expect(object, `seed ${SEED}: byte ${at} of ${key}`).rejects.toMatchObject({
            code: "OBJECT_CORRUPT",
          });
        });
      }
  }, 300_000);
});
