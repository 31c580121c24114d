import { createHash } from "node:crypto";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { type Backup, findBackup, newestBackup } from "../../../src/catalog/backups.ts";
import { proofsOf, prove } from "../../../src/jobs/proof/prove.ts";
import { verifyBackup } from "../../../src/jobs/proof/verify.ts";
import type { Manifest } from "../../../src/model/manifest.ts";
import { manifestText } from "../../../src/store/document.ts";
import { alter, alterDump } from "../../support/altered-backup.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { askRestore } from "../../support/restores.ts";
import { putRotted } from "../../support/rotted.ts";
import { PageDatabase } from "../../support/page-database.ts";

const { BUCKET } = env;
let context: ReturnType<typeof testContext>;

beforeAll(async () => {
  const database = await PageDatabase.create();
  await database.fill("items", 4);
  await database.exec("CREATE TABLE other (a, b); INSERT INTO other VALUES (1, 'x'), (2, 'y')");
  // A few hundred bytes, because the test changes every one of them.
  const tiny = await PageDatabase.create("CREATE TABLE t (a); INSERT INTO t VALUES ('x')");
  context = testContext({
    shop: database.config,
    dumped: { ...database.config, capture: "dump" },
    tiny: tiny.config,
    "tiny-dump": { ...tiny.config, capture: "dump" },
    fidelity: { url: inject("fidelity") },
  });
  for (const name of ["shop", "dumped", "tiny", "tiny-dump", "fidelity"])
    expect(await backUp(context, manualRun(name)), name).toMatchObject({ state: "done" });
});

async function backupOf(database: string): Promise<Backup> {
  return (await newestBackup(context.catalog, database))!;
}

async function stored(key: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());
}

/** Look while other bytes are under a key, then put the old ones back. */
async function withBytes<T>(
  key: string,
  bytes: Uint8Array | null,
  look: () => Promise<T>,
): Promise<T> {
  const object = (await BUCKET.get(key))!;
  const { customMetadata } = object;
  const before = await object.arrayBuffer();
  if (bytes === null) await BUCKET.delete(key);
  else await putRotted(key, bytes, customMetadata === undefined ? {} : { customMetadata });
  try {
    return await look();
  } finally {
    await putRotted(key, before, customMetadata === undefined ? {} : { customMetadata });
  }
}

describe("a verify", () => {
  it.each(["shop", "dumped", "fidelity"])("finds the backup of %s good", async (name) => {
    const { id, manifest } = await backupOf(name);
    const proof = await prove(context, id, "verify");
    expect(proof).toMatchObject({ act: "verify", backup: id, outcome: "verified", problem: null });
    const names = proof.checks.map((check) => check.name);
    const structure = manifest.kind === "snapshot" ? ["structure"] : [];
    const again = manifest.kind === "snapshot" ? ["spot check"] : [];
    expect(names).toEqual(["manifest", "bytes", ...structure, "rows", "schema", ...again]);
    expect(proof.checks.every(({ ok }) => ok)).toBe(true);
  });

  it("leaves every proof beside the backup, and the newest in the catalog", async () => {
    const { id, manifest } = await backupOf("shop");
    const before = await proofsOf(context.bucket, manifest);
    const [first, second] = [
      await prove(context, id, "verify"),
      await prove(context, id, "verify"),
    ];
    expect(first.proofKey).not.toBe(second.proofKey);
    expect(await proofsOf(context.bucket, manifest)).toEqual([...before, first, second]);
    expect(first.proofKey.startsWith(manifest.manifestKey.replace(/json$/, "proof-"))).toBe(true);
    const { verification } = (await findBackup(context.catalog, id))!;
    expect(verification).toMatchObject({ outcome: "verified", proofKey: second.proofKey });
  });

  it.each(["tiny", "tiny-dump"])(
    "finds every flipped bit and every missing byte of what is stored of %s",
    async (name) => {
      const { manifest } = await backupOf(name);
      const look = () => verifyBackup(context, manifest);
      for (const key of [manifest.key, manifest.manifestKey]) {
        const bytes = await stored(key);
        // A manifest is compared as text: one position in seven is enough.
        const step = key === manifest.key ? 1 : 7;
        for (let at = 0; at < bytes.length; at += step) {
          const flipped = bytes.slice();
          flipped[at]! ^= 1 << (at % 8);
          const { problem } = await withBytes(key, flipped, look);
          expect(problem?.message, `${key}, bit ${at % 8} of byte ${at}`).toContain(key);
        }
        for (const cut of [bytes.subarray(0, -1), bytes.subarray(1), bytes.subarray(0, 0), null])
          expect((await withBytes(key, cut, look)).problem?.message).toContain(key);
      }
      expect((await look()).problem).toBeNull();
    },
  );

  it("finds a manifest that somebody has written anew", async () => {
    const { id, manifest } = await backupOf("shop");
    const renamed = { ...manifest, name: "another" };
    const other = manifestText(renamed);
    const sha256 = createHash("sha256").update(other).digest("hex");
    const object = (await BUCKET.get(manifest.manifestKey))!;
    const [before, { customMetadata }] = [await object.text(), object];
    await BUCKET.put(manifest.manifestKey, other, { customMetadata: { sha256 } });
    const { problem } = await prove(context, id, "verify");
    expect(problem?.message).toMatch(/\.json was replaced since Nightjar wrote it/);
    await BUCKET.put(manifest.manifestKey, before, { customMetadata: customMetadata! });
  });

  it("names the first bad place, in the catalog too", async () => {
    const { id, manifest } = await backupOf("shop");
    const bytes = await stored(manifest.key);
    bytes[100]! ^= 4;
    const proof = await withBytes(manifest.key, bytes, () => prove(context, id, "verify"));
    expect(proof.problem).toMatchObject({ code: "OBJECT_CORRUPT" });
    expect(proof.problem!.message).toMatch(/is damaged between byte 0 and byte \d+/);
    expect(proof.checks.at(-1)).toMatchObject({ name: "bytes", ok: false });
    const { verification } = (await findBackup(context.catalog, id))!;
    expect(verification).toMatchObject({ outcome: "corrupt", problem: proof.problem });
    await prove(context, id, "verify");
  });

  it("knows nothing when the bucket does not answer, and leaves no proof", async () => {
    const { id, manifest, verification } = await backupOf("shop");
    const before = await proofsOf(context.bucket, manifest);
    const bucket = new Proxy(BUCKET, {
      get: (target, name) =>
        name === "get"
          ? async () => {
              throw new Error("R2 is away");
            }
          : Reflect.get(target, name, target),
    });
    const failing = testContext({}, { bucket });
    await expect(prove(failing, id, "verify")).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(await proofsOf(context.bucket, manifest)).toEqual(before);
    expect((await findBackup(context.catalog, id))!.verification).toEqual(verification);
  });
});

describe("a dump of an older Nightjar", () => {
  /** Verify a new dump as an older Nightjar might have made it. */
  async function verified(
    change: (sql: string) => string,
    facts?: (manifest: Manifest) => Partial<Manifest>,
  ) {
    await backUp(context, manualRun("dumped"));
    const { id } = await backupOf("dumped");
    await alterDump(context, id, change, facts);
    const proof = await prove(context, id, "verify");
    const rows = proof.checks.find(({ name }) => name === "rows");
    return { ...proof, rows: rows?.detail };
  }

  it("is good with a manifest that counts the rows of SQLite's own tables", async () => {
    const own = "ANALYZE sqlite_schema;\nINSERT INTO sqlite_stat1 VALUES('items',NULL,'4');\n";
    const { outcome, problem, rows } = await verified(
      (sql) => sql.replace("COMMIT;", `${own}COMMIT;`),
      ({ tables }) => ({ tables: [...tables, { name: "sqlite_stat1", rows: 1 }] }),
    );
    expect({ outcome, problem }).toEqual({ outcome: "verified", problem: null });
    expect(rows).toMatch(/^6 rows in/);
  });

  it("is good with a statement that is refused today, and its rows are not counted", async () => {
    const { outcome, problem, rows } = await verified((sql) =>
      sql.replace("COMMIT;", "DELETE FROM items;\nCOMMIT;"),
    );
    expect({ outcome, problem }).toEqual({ outcome: "verified", problem: null });
    expect(rows).toContain("not counted");
  });
});

describe("a backup whose hashes are right", () => {
  it("is corrupt when its pages do not make a database", async () => {
    const { id } = await backupOf("fidelity");
    await alter(context, id, (file, pageSize) => {
      const page = file.slice(4 * pageSize, 5 * pageSize);
      file.copyWithin(4 * pageSize, 5 * pageSize, 6 * pageSize);
      file.set(page, 5 * pageSize);
    });
    const proof = await prove(context, id, "verify");
    expect(proof).toMatchObject({ outcome: "corrupt" });
    expect(proof.checks.at(-1)).toMatchObject({ name: "structure", ok: false });
  });

  it.each([
    [
      "rows",
      "The table items has 4 rows, not 5.",
      {
        tables: [
          ["items", 5],
          ["other", 2],
        ],
      },
    ],
    [
      "rows",
      "The table gone is missing.",
      {
        tables: [
          ["items", 4],
          ["gone", 2],
        ],
      },
    ],
    ["rows", "There are 2 tables, not 1.", { tables: [["items", 4]] }],
    ["schema", "The schema's hash is", { hash: "0".repeat(64) }],
  ] as const)(
    "is corrupt when its %s are not those of the manifest: %s",
    async (check, message, facts) => {
      await backUp(context, manualRun("shop"));
      const { id } = await backupOf("shop");
      await alter(
        context,
        id,
        () => {},
        (manifest) => ({
          ...("tables" in facts && {
            tables: facts.tables.map(([name, rows]) => ({ name, rows })),
          }),
          ...("hash" in facts && { schema: { ...manifest.schema, hash: facts.hash } }),
        }),
      );
      const proof = await prove(context, id, "verify");
      expect(proof).toMatchObject({ outcome: "corrupt", problem: { code: "OBJECT_CORRUPT" } });
      expect(proof.problem!.message).toContain(message);
      expect(proof.checks.at(-1)).toMatchObject({ name: check, ok: false });
    },
  );
});

it("a database with SQLite's own tables has the same number of rows wherever they are told", async () => {
  const counted = await PageDatabase.create(`
    CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, b);
    INSERT INTO a (b) VALUES (1), (2), (3); CREATE INDEX i ON a (b)`);
  const sources = {
    counted: counted.config,
    "counted-dump": { ...counted.config, capture: "dump" },
  };
  const own = testContext(sources);
  for (const name of Object.keys(sources)) {
    expect(await backUp(own, manualRun(name))).toMatchObject({ state: "done" });
    const { id } = (await newestBackup(own.catalog, name))!;
    const { backups } = await apiOf(own).json(`/v1/databases/${name}/backups`);
    expect(backups[0], name).toMatchObject({ rows: 3 });
    for (const act of ["verify", "drill"] as const) {
      const { checks } = await prove(own, id, act);
      expect(checks.find((check) => check.name === "rows")!.detail, act).toMatch(/^3 rows in/);
    }
    const target = await PageDatabase.create();
    const body = { target: target.config, verify: true };
    const { last } = await askRestore(own, `/v1/backups/${id}/restore`, body);
    expect(last, name).toMatchObject({ done: { verified: { rows: 3 } } });
  }
}, 120_000);
