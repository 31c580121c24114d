import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, inject, it } from "vitest";
import { hashOf, macOfEnd } from "../../../src/audit/chain.ts";
import { record } from "../../../src/audit/record.ts";
import { keepAuditHead, verifyAudit } from "../../../src/audit/verify.ts";
import { auditRowsAfter, listAudit } from "../../../src/catalog/access/audit.ts";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { NIGHTJAR } from "../../../src/model/actor.ts";
import type { Act, AuditRow } from "../../../src/model/audit.ts";
import type { Context } from "../../../src/worker/context.ts";
import { startDueRuns } from "../../../src/jobs/schedule/start-due-runs.ts";
import { apiOf, askApp } from "../../support/api.ts";
import { allKeys, backUp, manualRun, testContext } from "../../support/context.ts";

const SHOP = inject("small");
const DATABASES = { shop: { url: SHOP, capture: "dump" } };
const { BUCKET, DB } = env;

/** Change the table as somebody with access to D1 can. */
async function tamper(...statements: string[]): Promise<void> {
  await DB.exec("DROP TRIGGER IF EXISTS audit_unchanged");
  await DB.exec("DROP TRIGGER IF EXISTS audit_undeleted");
  for (const sql of statements) await DB.prepare(sql).run();
}

async function clear(): Promise<void> {
  await tamper("DELETE FROM audit", "DELETE FROM audit_ends");
  for (const key of await allKeys(BUCKET, "audit/")) await BUCKET.delete(key);
  await DB.prepare("DELETE FROM objects WHERE key LIKE 'audit/%'").run();
}

const act = (count: number): Act => ({
  ...{ by: NIGHTJAR, database: "shop", subject: `run-${count}`, detail: { count } },
  action: "run",
  outcome: "done",
});

async function fill(context: Context, rows: number): Promise<void> {
  for (let count = 1; count <= rows; count++) await record(context, act(count));
}

const faultOf = async (context: Context) => (await verifyAudit(context)).fault;

// First, as `clear` drops the triggers of the migration.
it("no row of the audit is changed or deleted by an ordinary statement", async () => {
  await fill(testContext(DATABASES), 1);
  await expect(DB.prepare("UPDATE audit SET at = 0").run()).rejects.toThrow("never changed");
  await expect(DB.prepare("DELETE FROM audit").run()).rejects.toThrow("never deleted");
});

describe("the audit", () => {
  beforeEach(clear);

  it("is a chain that holds, and of which two writers at once append to the same end", async () => {
    const context = testContext(DATABASES);
    await Promise.all(Array.from({ length: 12 }, (_, count) => record(context, act(count))));
    await keepAuditHead(context, Date.now());
    expect(await verifyAudit(testContext(DATABASES))).toEqual({
      ...{ rows: 12, heads: 1, fault: null, next: null },
    });
    const rows = await auditRowsAfter(context.catalog, 0, 100);
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 12 }, (_, at) => at + 1));
    expect(new Set(rows.map(({ subject }) => subject)).size).toBe(12);
  });

  it("shows any altered, removed or reordered row, whichever it is", async () => {
    const context = testContext(DATABASES);
    const COUNT = 7;
    const columns = [
      "at",
      "actor",
      "actor_name",
      "action",
      "outcome",
      "database",
      "subject",
      "detail",
    ];
    for (let seq = 1; seq <= COUNT; seq++) {
      const changes: [string, string[]][] = [
        ...columns.map((column): [string, string[]] => [
          `another ${column}`,
          [
            `UPDATE audit SET ${column} = ${column === "at" ? "at + 1" : "'other'"} WHERE seq = ${seq}`,
          ],
        ]),
        ["none", [`DELETE FROM audit WHERE seq = ${seq}`]],
        [
          "none, those after it moved up",
          [
            `DELETE FROM audit WHERE seq = ${seq}`,
            `UPDATE audit SET seq = seq - 1 WHERE seq > ${seq}`,
          ],
        ],
      ];
      if (seq < COUNT)
        changes.push([
          "changed places",
          [
            `UPDATE audit SET seq = -1 WHERE seq = ${seq}`,
            `UPDATE audit SET seq = ${seq} WHERE seq = ${seq + 1}`,
            `UPDATE audit SET seq = ${seq + 1} WHERE seq = -1`,
          ],
        ]);
      for (const [what, statements] of changes) {
        await clear();
        await fill(context, COUNT);
        expect(await faultOf(context)).toBeNull();
        await tamper(...statements);
        expect(await faultOf(context), `row ${seq}: ${what}`).not.toBeNull();
      }
    }
  });

  it("shows that the last rows are gone, with the end moved back", async () => {
    const context = testContext(DATABASES);
    await fill(context, 3);
    const [, second] = await auditRowsAfter(context.catalog, 0, 2);
    await tamper(
      "DELETE FROM audit WHERE seq = 3",
      `UPDATE audit_ends SET seq = 2, hash = '${second!.hash}'`,
    );
    expect((await faultOf(context))?.problem).toContain("not signed");
  });

  it("shows that the whole table was written anew after a head was stored", async () => {
    // Somebody with the signing key, even: all hashes and the end are right.
    const context = testContext(DATABASES);
    await fill(context, 5);
    await keepAuditHead(context, Date.now());
    const before = await auditRowsAfter(context.catalog, 0, 5);
    const chain = before[0]!.previous;
    await tamper("DELETE FROM audit", "DELETE FROM audit_ends");
    await fill(context, 6);
    expect((await faultOf(testContext(DATABASES)))?.problem).toContain(`audit/${chain}/`);

    // With the id of the chain before.
    await tamper("DELETE FROM audit", "DELETE FROM audit_ends");
    let previous = chain;
    for (const row of before) {
      const forged = { ...row, detail: '{"count":0}', previous };
      const hash = hashOf(forged);
      await insert({ ...forged, hash });
      previous = hash;
    }
    const end = { chain, seq: 5, hash: previous };
    await DB.prepare("INSERT INTO audit_ends VALUES(1, ?, ?, ?, ?)")
      .bind(chain, 5, previous, macOfEnd(end, context.config.signingKey))
      .run();
    expect((await faultOf(testContext(DATABASES)))?.problem).toContain(
      "whose hash is in the bucket",
    );

    // Cut to fewer rows than the head has.
    await tamper("DELETE FROM audit WHERE seq > 3");
    const [third] = await auditRowsAfter(context.catalog, 2, 1);
    const cut = { chain, seq: 3, hash: third!.hash };
    await DB.prepare("UPDATE audit_ends SET seq = 3, hash = ?, mac = ?")
      .bind(cut.hash, macOfEnd(cut, context.config.signingKey))
      .run();
    expect((await faultOf(testContext(DATABASES)))?.problem).toContain("there were 5");
  });

  it("shows that a head was taken out of the bucket, or changed there", async () => {
    const context = testContext(DATABASES);
    await fill(context, 2);
    await keepAuditHead(context, Date.now());
    const [key] = await allKeys(BUCKET, "audit/");
    const text = await (await BUCKET.get(key!))!.text();
    await BUCKET.put(key!, text.replace(/"seq": 2/, '"seq": 1'));
    await expect(verifyAudit(testContext(DATABASES))).rejects.toMatchObject({
      code: "OBJECT_CORRUPT",
    });
    await BUCKET.delete(key!);
    await expect(verifyAudit(testContext(DATABASES))).rejects.toMatchObject({
      code: "OBJECT_MISSING",
    });
  });

  it("is read in parts, each from where the last one ended", async () => {
    const context = testContext(DATABASES);
    await fill(context, 4);
    const [, second] = await auditRowsAfter(context.catalog, 0, 2);
    expect(await verifyAudit(context, `2-${second!.hash}`)).toMatchObject({ rows: 2, fault: null });
    expect((await verifyAudit(context, `2-${"0".repeat(64)}`)).fault).toMatchObject({ seq: 3 });
  });
});

async function insert(row: AuditRow): Promise<void> {
  const { seq, at, actor, actorName, action, outcome, database, subject, detail, previous, hash } =
    row;
  await DB.prepare("INSERT INTO audit VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    .bind(seq, at, actor, actorName, action, outcome, database, subject, detail, previous, hash)
    .run();
}

describe("what is recorded", () => {
  beforeEach(clear);

  /** Rows in the order in which they were appended, without their hashes. */
  async function told(context: Context) {
    const rows = await auditRowsAfter(context.catalog, 0, 1000);
    return rows.map(({ actor, action, outcome, database, subject, detail }) => ({
      ...{ actor, action, outcome, database, subject },
      detail: JSON.parse(detail) as Record<string, unknown>,
    }));
  }

  it("are a run, a link, each download with the bytes that were taken, a query, and a refusal", async () => {
    const context = testContext(DATABASES);
    const api = apiOf(context);
    const run = await backUp(context, manualRun("shop"));
    const { id, manifest } = (await newestBackup(context.catalog, "shop"))!;
    const made = await api.json(`/v1/backups/${id}/links`, { format: "sql" });
    const work: Promise<void>[] = [];
    const kept = { ...context, keepAlive: (done: Promise<void>) => void work.push(done) };
    const whole = await apiOf(kept).bytes(made["url"] as string);
    await Promise.all(work);
    await api.call(`/v1/backups/${id}/pin`, { reason: "the move" });
    await api.call(`/v1/backups/${id}/pin`, undefined, "DELETE");
    await api.call("/v1/databases/nowhere/backups", {});
    const link = made["id"] as string;
    const by = { actor: "root", database: "shop", subject: id };
    expect(await told(context)).toEqual([
      {
        ...{ actor: "nightjar", action: "run", outcome: "done", database: "shop", subject: run.id },
        detail: { trigger: "api", backup: id },
      },
      {
        ...{ ...by, action: "link", outcome: "done" },
        detail: { link, format: "sql", expiresAt: made["expiresAt"] },
      },
      {
        ...{ ...by, actor: `link:${link}`, action: "download", outcome: "started" },
        detail: { format: "sql", address: "unknown" },
      },
      {
        ...{ ...by, actor: `link:${link}`, action: "download", outcome: "done" },
        detail: { format: "sql", address: "unknown", bytes: whole.length },
      },
      { ...{ ...by, action: "pin", outcome: "done" }, detail: { reason: "the move" } },
      { ...{ ...by, action: "unpin", outcome: "done" }, detail: {} },
      {
        ...{
          actor: "root",
          action: "backup",
          outcome: "failed",
          database: "nowhere",
          subject: null,
        },
        detail: { code: "DATABASE_NOT_FOUND" },
      },
    ]);
    expect(whole.length).toBe(manifest.raw.bytes);
  });

  it("is a download of which the reader took a part only", async () => {
    const context = testContext({ shop: { url: inject("shop"), capture: "dump" } });
    await backUp(context, manualRun("shop"));
    const { id } = (await newestBackup(context.catalog, "shop"))!;
    const work: Promise<void>[] = [];
    const kept = { ...context, keepAlive: (done: Promise<void>) => void work.push(done) };
    for (const format of ["sql", "sql.zst"]) {
      const { url } = await apiOf(context).json(`/v1/backups/${id}/links`, { format });
      const { body } = await apiOf(kept).call(url as string);
      await body!.cancel();
      await Promise.all(work);
      const [last] = await listAudit(context.catalog, { action: "download" }, 1);
      expect(last).toMatchObject({ outcome: "failed", database: "shop", subject: id });
    }
    const { url } = await apiOf(context).json(`/v1/backups/${id}/links`, { format: "sql.zst" });
    const part = await askApp(
      new Request(url as string, { headers: { range: "bytes=0-9" } }),
      kept,
    );
    expect((await part.arrayBuffer()).byteLength).toBe(10);
    await Promise.all(work);
    const [last] = await listAudit(context.catalog, { action: "download" }, 1);
    expect(JSON.parse(last!.detail)).toMatchObject({
      bytes: 10,
      range: expect.stringMatching(/^bytes 0-9\//),
    });
  });

  it("is the opening of a link that has ended", async () => {
    const context = testContext(DATABASES);
    await backUp(context, manualRun("shop"));
    const { id } = (await newestBackup(context.catalog, "shop"))!;
    const { url, id: link } = await apiOf(context).json(`/v1/backups/${id}/links`, {
      format: "sql",
    });
    await apiOf(context).call(`/v1/links/${link}`, undefined, "DELETE");
    expect((await apiOf(context).call(url as string)).status).toBe(403);
    const rows = await told(context);
    expect(rows.slice(-2)).toMatchObject([
      { action: "link-revoke", outcome: "done", database: "shop", subject: link },
      {
        action: "download",
        outcome: "denied",
        actor: `link:${link}`,
        detail: { why: "was revoked" },
      },
    ]);
  });

  it("is a new configuration, once, and what of it changed", async () => {
    const at = Date.parse("2026-11-20T12:00:30Z");
    const of = (databases: Record<string, object>) => testContext(databases, { now: () => at });
    const shop = { url: SHOP, schedule: "0 0 1 1 *" };
    for (const databases of [
      { shop },
      { shop },
      { shop: { ...shop, retain: { daily: "3d" } }, next: shop },
      { next: shop },
    ])
      await startDueRuns(of(databases as Record<string, object>), at).catch(() => undefined);
    const rows = await listAudit(of({}).catalog, { action: "configuration" }, 10);
    expect(rows.map(({ detail }) => JSON.parse(detail)).toReversed()).toMatchObject([
      { added: ["COPY", "shop"], removed: [], changed: [] },
      { added: ["next"], removed: [], changed: ["shop"] },
      { added: [], removed: ["shop"], changed: [] },
    ]);
  });

  it("is lost with the act where the catalog does not take it: no link is given", async () => {
    const context = testContext(DATABASES);
    await backUp(context, manualRun("shop"));
    const { id } = (await newestBackup(context.catalog, "shop"))!;
    const { json } = apiOf(context);
    const { url } = await json(`/v1/backups/${id}/links`, { format: "sql" });
    await DB.exec("ALTER TABLE audit RENAME TO audit_away");
    try {
      for (const [path, body] of [
        [`/v1/backups/${id}/links`, { format: "sql" }],
        [url as string],
      ] as const) {
        const answer = await apiOf(context).call(path, body);
        expect([answer.status, await answer.text()]).toEqual([
          503,
          expect.not.stringContaining("/d/"),
        ]);
      }
    } finally {
      await DB.exec("ALTER TABLE audit_away RENAME TO audit");
    }
  });
});
