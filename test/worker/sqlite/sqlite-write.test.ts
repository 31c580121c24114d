import { createClient } from "@libsql/client/http";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { SqlScanner } from "../../../src/format/sql/scanner.ts";
import { refuseForeign } from "../../../src/format/sql/written-sql.ts";
import { imageFacts } from "../../../src/sqlite/facts.ts";
import type { Image } from "../../../src/sqlite/engine/image.ts";
import { openImage } from "../../../src/sqlite/engine/open.ts";
import { writeSql } from "../../../src/sqlite/sql/write-sql.ts";
import { describeImage, pagesOf } from "../../support/describe-image.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";

let image: Image;
beforeAll(async () => {
  image = await openImage(pagesOf(await databaseBytes(createClient({ url: inject("fidelity") }))));
});

// test/node/sqlite/sqlite-write.test.ts tests in Node that the SQL loads everywhere else.
describe("the SQL of an image", () => {
  it("loads into a libSQL server as the database was", async () => {
    const client = createClient({ url: inject("empty") });
    const decoder = new TextDecoder();
    let sql = "";
    for await (const chunk of writeSql(image, "libsql"))
      sql += decoder.decode(chunk, { stream: true });
    await client.executeMultiple(sql);

    const restored = await openImage(pagesOf(await databaseBytes(client)));
    // libSQL rebuilds a vector index, and draws random numbers for it.
    const same = (line: string) =>
      !/^ {2}(vectors_idx_shadow|libsql_vector_meta_shadow):/.test(line);
    expect((await describeImage(restored)).filter(same)).toEqual(
      (await describeImage(image)).filter(same),
    );
    const { tables, ...facts } = await imageFacts(restored);
    const { tables: before, ...factsBefore } = await imageFacts(image);
    expect(facts).toEqual(factsBefore);
    expect(tables.map(({ name }) => name).toSorted()).toEqual(
      before.map(({ name }) => name).toSorted(),
    );
    restored.close();
  });

  it("is a whole dump in chunks that do not grow with the database", async () => {
    const scanner = new SqlScanner(refuseForeign);
    const sizes: number[] = [];
    for await (const chunk of writeSql(image)) {
      scanner.push(chunk);
      sizes.push(chunk.length);
    }
    expect(scanner.complete).toBe(true);
    expect(sizes.filter((size) => size > 200_000)).toHaveLength(2); // the 3 MB text and the zeroblob
  });

  it("leaves the image usable to whoever stops in the middle", async () => {
    for await (const chunk of writeSql(image)) if (chunk.length > 1000) break;
    const memory = image.memoryUsed;
    for await (const chunk of writeSql(image)) if (chunk.length > 1000) break;
    expect(image.memoryUsed).toBe(memory);
    expect((await imageFacts(image)).userVersion).toBe(41);
  });
});

describe("the facts of an image", () => {
  it("tell versions, schema, migration and what each table is", async () => {
    const facts = await imageFacts(image);
    expect(facts).toMatchObject({
      userVersion: 41,
      applicationId: 0,
      schemaHash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      migration: { table: "__drizzle_migrations", name: "second" },
    });
    const kinds = Object.fromEntries(facts.tables.map(({ name, kind }) => [name, kind]));
    expect(kinds).toMatchObject({
      numbers: "table",
      keyed: "without-rowid",
      keyed_strict: "without-rowid",
      docs: "virtual",
      docs_data: "shadow",
      'f"q_config': "shadow",
      old_docs_segdir: "shadow",
      boxes: "virtual",
      boxes_node: "shadow",
      vectors: "table",
      vectors_idx_shadow: "vector-shadow",
      libsql_vector_meta_shadow: "vector-shadow",
      drawn: "table",
      sqlite_sequence: "internal",
      sqlitex: "table",
    });
    expect(facts.tables.find(({ name }) => name === "docs")?.rootpage).toBe(0);
    expect(facts.tables.find(({ name }) => name === "numbers")?.rootpage).toBeGreaterThan(1);
  });
});
