import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { originalsIn } from "../../support/originals.ts";
import { RandomDatabase, randomLinks, refers } from "../../support/random-links.ts";
import { rulesOf, sanitized, Sanitizing } from "../../support/sanitizing.ts";

const world = new Sanitizing();
afterAll(() => world.stop());

it("a subset of a random database has exactly its rows, holds its foreign keys, and gives no masked value", async () => {
  const seen = { rows: 0, empty: 0, whole: 0, joined: 0, broken: 0 };
  await fc.assert(
    fc.asyncProperty(randomLinks, async (random) => {
      const database = new RandomDatabase(random);
      fc.pre(database.hasRoot);
      const image = await world.imageOf(...database.statements);
      const rules = { ...rulesOf(database.rulesFor(random.masked)), subset: database.subset };
      const { sql, rows, unused, subset } = await sanitized(image, rules);
      const { db, bytes } = await world.loaded(sql);
      const given = database.given();

      for (const { name, rows: all } of database.tables) {
        const marks = db
          .prepare(`SELECT mark FROM ${name}`)
          .all()
          .map(({ mark }) => String(mark));
        expect(marks.length).toBe(new Set(marks).size);
        expect([name, new Set(marks)]).toEqual([name, given.get(name)]);
        seen.rows += marks.length;
        if (marks.length === 0) seen.empty++;
        if (marks.length === all.length && all.length > 0) seen.whole++;
        const counted = subset!.find((one) => one.name === name);
        if (counted !== undefined) expect(counted.rows).toBe(marks.length);
      }
      // The rows as NDJSON are the same ones.
      const lines = rows.toString().split("\n").slice(0, -1);
      const told = lines.map((line) => JSON.parse(line).row.mark as string);
      expect(told.toSorted()).toEqual([...given.values()].flatMap((of) => [...of]).toSorted());
      expect(unused).toEqual([]);

      const leftOut = database.tables.flatMap(({ name, rows: all }) =>
        all.filter(({ mark }) => !given.get(name)!.has(mark)).map(({ mark }) => mark),
      );
      const secrets = database.tables.flatMap(({ rows: all }) => all.map(({ secret }) => secret));
      const keys = database.tables.flatMap(({ rows: all }) =>
        all.flatMap(({ values }) => [...values.values()].filter((one) => typeof one === "string")),
      );
      for (const output of [sql, rows, bytes])
        expect(
          originalsIn(output, [...leftOut, ...secrets, ...(random.masked ? keys : [])]),
        ).toEqual([]);

      expect(db.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
      // Each kept row whose reference leads nowhere did so before.
      let dangling = 0;
      for (const link of database.links) {
        const { child, from, parent, to, declared } = link;
        const kept = child.rows.filter(({ mark }) => given.get(child.name)!.has(mark));
        const parents = parent.rows.filter(({ mark }) => given.get(parent.name)!.has(mark));
        const pairs = kept.flatMap((row) => parents.filter((other) => refers(link, row, other)));
        seen.joined += pairs.length;
        const names = child.name === "found" ? ["rowid"] : from.map(({ name }) => name);
        const on = names.map((name, at) => `p.${to[at]!.name} = +c.${name}`).join(" AND ");
        const joined = db
          .prepare(`SELECT count(*) AS n FROM ${child.name} c, ${parent.name} p WHERE ${on}`)
          .get();
        expect(joined).toEqual({ n: pairs.length });
        if (!declared || child === database.dropped) continue;
        const isNull = (row: (typeof kept)[number]) =>
          from.some(({ name }) => row.values.get(name) === null);
        dangling += kept.filter(
          (row) => !isNull(row) && !parents.some((other) => refers(link, row, other)),
        ).length;
        if (parent !== database.dropped)
          for (const row of kept)
            expect(parents.some((other) => refers(link, row, other))).toBe(
              parent.rows.some((other) => refers(link, row, other)),
            );
      }
      seen.broken += dangling;
      const broken = db.prepare("SELECT count(*) AS n FROM pragma_foreign_key_check").get();
      expect(broken).toEqual({ n: dangling });
      db.close();
      image.close();
    }),
    { numRuns: Number(process.env["TRIALS"] ?? 200) },
  );
  // The databases were no empty ones.
  for (const [what, count] of Object.entries(seen))
    expect([what, count > 50]).toEqual([what, true]);
});
