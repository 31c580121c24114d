import { Buffer } from "node:buffer";
import { describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { knownMethod, recordMethod } from "../../../src/catalog/fleet/methods.ts";
import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import type { PageCursor } from "../../../src/model/manifest.ts";
import { imageSource } from "../../../src/source/dbpage.ts";
import type { PageSource } from "../../../src/source/pages.ts";
import { replicaSource } from "../../../src/source/replica/replica.ts";
import { allKeys, backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { spoiling } from "../../support/spoiled-frames.ts";
import { Replica, sample } from "../../support/sync-client.ts";
import { TursoDatabase } from "../../support/turso-database.ts";

/*
 * Pages of Turso's MVCC databases open in SQLite once bytes 18 and 19 are made its own, and lack the
 * newest rows.
 */

/** Mark every first page that passes as one of an MVCC database. */
function marking(method: string): Deps {
  return spoiling(method, (frame) => {
    const at = Buffer.from(frame).indexOf("SQLite format 3\0");
    if (at !== -1) frame.set([255, 255], at + 18);
    return [frame];
  }).deps;
}

async function pulled(source: PageSource, cursor: PageCursor | null = null) {
  let commits = 0;
  let last = cursor;
  for await (const event of source.pull(cursor))
    if (event.kind === "commit") {
      commits++;
      last = event.cursor;
    }
  return { commits, cursor: last };
}

describe("a first page of an MVCC database is refused", () => {
  it("in an image, in a log's base and in what a log brings later", async () => {
    const database = await PageDatabase.create();
    await database.fill("items", 20);
    const source = { ...database.config, stallMs: 5000, token: undefined };
    const refused = { code: "SOURCE_MVCC" };
    await expect(pulled(imageSource(source, marking("cursor")))).rejects.toMatchObject(refused);
    const byImage = replicaSource(source, marking("cursor"), true);
    await expect(pulled(byImage)).rejects.toMatchObject(refused);
    const byLog = replicaSource(source, marking("LogEntries"), false);
    await expect(pulled(byLog)).rejects.toMatchObject(refused);
    const { cursor } = await pulled(replicaSource(source, systemDeps, false));
    await database.exec("CREATE TABLE another (a)");
    await expect(pulled(byLog, cursor)).rejects.toMatchObject(refused);
    expect((await pulled(replicaSource(source, systemDeps, false), cursor)).commits).toBe(1);
  });

  it("in the sync protocol's export and in its frames", async () => {
    const database = await sample();
    await database.fault({ on: "export", patch: [[18, "ffff"]] });
    const exported = await new Replica().pull(database.source);
    expect(exported).toMatchObject({ commits: [], error: { code: "SOURCE_MVCC" } });
    const patch: [number, string][] = [
      [24 + 18, "ffff"],
      [8, "aa"], // other salts, so that no checksum has to match
    ];
    await database.fault({ on: "sync", patch });
    expect(await new Replica().pull(database.source)).toMatchObject({
      error: { code: "SOURCE_MVCC" },
    });
  });
});

describe("a database of Turso's engine behind the sync protocol is no backup", () => {
  for (const [kind, code] of [
    ["mvcc", "SOURCE_MVCC"],
    ["encrypted", "SOURCE_ENCRYPTED"],
  ] as const)
    it(`${kind}: the run fails and says what to do`, async () => {
      const file = Buffer.from(inject("turso")[kind], "base64");
      const name = `turso-${kind}`;
      const url = "http://turso.example";
      const context = testContext({ [name]: { url } });
      const fetch: Deps["fetch"] = async (asked) => {
        if (asked.endsWith("/info")) return Response.json({ current_generation: 1 });
        if (asked.includes("/export/")) return new Response(file);
        const end = { status: "checkpoint_needed", generation: 1, max_frame_no: 0 };
        return Response.json(end, { status: 400 });
      };
      Object.assign(context.deps, { fetch });
      const method = { protocol: "sync", image: false, why: "a test" } as const;
      await recordMethod(context.catalog, name, url, method, Date.now());
      const run = await backUp(context, manualRun(name));
      expect(run).toMatchObject({ state: "failed", error: { code } });
      expect(run.error!.hint).toMatch(kind === "mvcc" ? /"rows"/ : /"rows"/);
      expect((await allKeys()).filter((key) => key.includes(name))).toEqual([]);
    });
});

describe("a database of Turso's engine whose server answers SQL, too", () => {
  for (const [kind, code] of [
    ["mvcc", "SOURCE_MVCC"],
    ["encrypted", "SOURCE_ENCRYPTED"],
  ] as const) {
    const setUp = async (capture: "auto" | "pages") => {
      const file = Buffer.from(inject("turso")[kind], "base64");
      const name = `rows-${kind}-${capture}`;
      const real = await TursoDatabase.create();
      await real.exec(
        "PRAGMA journal_mode = 'mvcc'",
        "CREATE TABLE t(a)",
        "INSERT INTO t VALUES (7)",
      );
      const context = testContext({ [name]: { url: real.source.url, capture } });
      const fetch: Deps["fetch"] = async (asked, init) => {
        if (asked.endsWith("/info")) return Response.json({ current_generation: 1 });
        if (asked.includes("/export/")) return new Response(file);
        return systemDeps.fetch(asked, init);
      };
      Object.assign(context.deps, { fetch });
      const method = { protocol: "sync", image: false, why: "a test" } as const;
      await recordMethod(context.catalog, name, real.source.url, method, Date.now());
      return { name, url: real.source.url, context };
    };

    it(`${kind}: is read by its rows, and that is remembered`, async () => {
      const { name, url, context } = await setUp("auto");
      expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
      const why = expect.stringContaining(code) as string;
      const method = { protocol: "rows", image: false, why };
      const { manifest } = (await newestBackup(context.catalog, name))!;
      expect(manifest).toMatchObject({ kind: "dump", method, tables: [{ name: "t", rows: 1 }] });
      expect((await knownMethod(context.catalog, name, url))?.method).toEqual(method);
    });

    it(`${kind}: is refused where pages are asked for`, async () => {
      const { name, context } = await setUp("pages");
      const run = await backUp(context, manualRun(name));
      expect(run).toMatchObject({ state: "failed", error: { code } });
    });
  }
});
