import { describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { allKeys, backUp, manualRun, testContext } from "../../support/context.ts";
import { countRows } from "../../support/told.ts";
import { download, inTurso, kept } from "../../support/turso-back.ts";
import { tellStock, TursoDatabase } from "../../support/turso-database.ts";
import { TURSO_KINDS, type TursoKind } from "../../support/turso-kinds.ts";

/*
 * Databases that a real `tursodb` made, each through a whole backup: captured as the server offers, verified,
 * drilled, downloaded. What comes back is compared with what tursodb itself reads, value by value.
 */

async function expectBack(kind: TursoKind, database: TursoDatabase): Promise<void> {
  const { back, queries } = kind;
  const name = `kind-${crypto.randomUUID().slice(0, 8)}`;
  const context = testContext({ [name]: { url: database.source.url, attempts: 1 } });
  const told = await database.tell(queries);
  expect(countRows(told)).toBeGreaterThanOrEqual(kind.rows);
  const run = await backUp(context, manualRun(name));
  if (back !== "pages" && back !== "foreign" && back !== "rows") {
    expect(run).toMatchObject({ state: "failed", error: { code: back } });
    expect((await allKeys()).filter((key) => key.includes(name))).toEqual([]);
    return;
  }
  expect(run).toMatchObject({ state: "done", error: null });
  const { manifest } = (await newestBackup(context.catalog, name))!;
  expect(manifest.kind).toBe(back === "rows" ? "dump" : "snapshot");
  if (back !== "rows") {
    const file = await download(context, manifest, "db");
    expect(await inTurso(file, kind)).toEqual(told);
    if (back === "foreign") return;
    expect(await tellStock({ file }, queries)).toEqual(told);
  }
  const sql = await download(context, manifest, "sql");
  expect(kept(await tellStock({ sql }, queries), kind)).toEqual(kept(told, kind));
}

describe("a database that tursodb made", () => {
  it("is one of at least thirty kinds", () => {
    expect(new Set(TURSO_KINDS.map(({ name }) => name)).size).toBe(TURSO_KINDS.length);
    expect(TURSO_KINDS.length).toBeGreaterThanOrEqual(30);
  });

  it.each(TURSO_KINDS)("comes back equal or is refused: $name", async (kind) => {
    const { flags = [], cipher, make } = kind;
    const database = await (cipher === undefined
      ? TursoDatabase.create(...flags)
      : TursoDatabase.encrypted(cipher, ...flags));
    if (make.length > 0) await database.exec(...make);
    await expectBack(kind, database);
    await database.remove();
  });
});
