import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { lineagesOf, segmentsOf } from "../../../src/catalog/lineages.ts";
import { openImage } from "../../../src/sqlite/engine/open.ts";
import { openSnapshot } from "../../../src/store/snapshot-reader.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { unpacked } from "../../support/seekable-file.ts";

const { BUCKET } = env;

describe("a backup by pages", () => {
  it("is a database file that SQLite finds sound, of which the next sends only what changed", async () => {
    const database = await PageDatabase.create();
    await database.fill("items", 5000);
    const context = testContext({ shop: database.config });
    const first = await backUp(context, manualRun("shop"));
    expect(first).toMatchObject({ state: "done", error: null });

    const { manifest } = (await newestBackup(context.catalog, "shop"))!;
    expect(manifest).toMatchObject({ kind: "snapshot", tables: [{ name: "items", rows: 5000 }] });
    expect(manifest.snapshot).toMatchObject({
      method: { protocol: "replica", image: true },
      log: null,
    });
    const stored = await BUCKET.get(manifest.key);
    const file = await unpacked(new Uint8Array(await stored!.arrayBuffer()));
    expect(file.length).toBe(manifest.raw.bytes);

    const image = await openImage(await openSnapshot(BUCKET, manifest));
    const rows = await image.rows(
      "SELECT rowid || ' ' || quote(id) || ' ' || quote(pad) FROM items ORDER BY rowid",
      (row) => row.text(0),
    );
    expect(rows).toEqual(await database.rows("items"));
    const check = await image.rows("PRAGMA integrity_check", (row) => row.text(0));
    expect(check).toEqual(["ok"]);
    image.close();

    await database.exec("UPDATE items SET pad = 'changed' WHERE id = 77");
    const second = await backUp(context, manualRun("shop"));
    expect(second).toMatchObject({ state: "done", error: null });
    const next = (await newestBackup(context.catalog, "shop"))!.manifest;
    expect(next.snapshot?.log?.txid).toBe(2);
    const [lineage] = await lineagesOf(context.catalog, "shop");
    const segments = await segmentsOf(context.catalog, lineage!.id);
    expect(segments.map(({ level, pages }) => [level, pages])).toEqual([
      [9, manifest.snapshot!.pageCount],
      [0, expect.toSatisfy((n: number) => n < 5)],
    ]);
  });

  it.each(["flipped", "gone"])(
    "does not depend on a log of which a segment is %s",
    async (damage) => {
      const database = await PageDatabase.create();
      await database.fill("items", 300);
      const context = testContext({ [damage]: database.config });
      await backUp(context, manualRun(damage));
      await database.exec("UPDATE items SET pad = 'changed' WHERE id = 7");
      await context.followers.pull(damage);
      const [lineage] = await lineagesOf(context.catalog, damage);
      const { key } = (await segmentsOf(context.catalog, lineage!.id)).find(
        ({ level }) => level === 0,
      )!;
      if (damage === "gone") await BUCKET.delete(key);
      else {
        const bytes = new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());
        bytes[120]! ^= 1;
        await BUCKET.put(key, bytes);
      }
      const run = await backUp(context, manualRun(damage));
      expect(run).toMatchObject({ state: "done", attempt: 2 });
      const { manifest } = (await newestBackup(context.catalog, damage))!;
      expect(manifest.snapshot!.log).toBeNull(); // read whole
      const [old, renewed] = await lineagesOf(context.catalog, damage);
      expect(old!.endedAt).not.toBeNull();
      expect(renewed!.endedAt).toBeNull();
    },
  );
});
