import { afterAll, describe, expect, it } from "vitest";
import type { Rules } from "../../../src/format/masks/rule.ts";
import { parsePlace, parseRoot, type Subset } from "../../../src/format/masks/subset.ts";
import { type Erasure, hashKey } from "../../../src/format/tables/erasure.ts";
import { isUniqueIndex } from "../../../src/sqlite/subset/choose-root.ts";
import { planSubset } from "../../../src/sqlite/subset/plan-subset.ts";
import { describeTables, readSchema } from "../../../src/sqlite/tables.ts";
import { originalsIn } from "../../support/originals.ts";
import { refusalOf, rulesOf, sanitized, Sanitizing } from "../../support/sanitizing.ts";

const world = new Sanitizing();
const imageOf = world.imageOf.bind(world);
afterAll(() => world.stop());

function subsetOf(root: string, rows = 1000, references: Record<string, string> = {}): Subset {
  return {
    ...{ root: parseRoot(root)!, rows },
    references: Object.entries(references).map(([from, to]) => ({
      from: parsePlace(from)!,
      to: parsePlace(to)!,
    })),
  };
}
const keeping = (subset: Subset, tables: Parameters<typeof rulesOf>[0] = {}): Rules => ({
  ...rulesOf(tables, true),
  subset,
});

/** The ids of the rows that are given, by table, in the SQL as SQLite loads it; and the same of the rows. */
async function given(
  image: Awaited<ReturnType<typeof imageOf>>,
  rules: Rules,
  tables: readonly string[] = TABLES,
) {
  const { sql, rows, subset, unused } = await sanitized(image, rules);
  const { db, bytes } = await world.loaded(sql);
  const ids = Object.fromEntries(
    tables.map((name) => [
      name,
      db
        .prepare(`SELECT id FROM "${name}" ORDER BY id`)
        .all()
        .map(({ id }) => id),
    ]),
  );
  const lines = rows.toString().split("\n").slice(0, -1);
  const counts = Object.groupBy(lines, (line) => JSON.parse(line).table as string);
  for (const [name, of] of Object.entries(ids)) expect(counts[name]?.length ?? 0).toBe(of.length);
  for (const { name, rows: count } of subset ?? [])
    if (name in ids) expect([name, count]).toEqual([name, ids[name]!.length]);
  return { db, ids, bytes, sql, unused, subset };
}

const TABLES = ["users", "orders", "lines", "products", "reviews", "logs"];
/** Users with a boss, orders of users with lines, products that lines refer to, logs of nobody. */
const SHOP = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT UNIQUE, boss REFERENCES users);
  INSERT INTO users VALUES (1, 'ada@people.example', NULL), (2, 'bob@people.example', 1),
    (3, 'eve@people.example', 2), (4, 'joe@people.example', NULL);
  CREATE TABLE orders(id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id), email TEXT);
  INSERT INTO orders VALUES (10, 3, 'ada@people.example'), (11, 1, 'bob@people.example'),
    (12, 4, 'eve@people.example'), (13, NULL, 'joe@people.example');
  CREATE TABLE lines(id INTEGER PRIMARY KEY, order_id REFERENCES orders ON DELETE CASCADE, sku REFERENCES products(sku));
  INSERT INTO lines VALUES (100, 10, 'a'), (101, 10, 'b'), (102, 11, 'c'), (103, 12, 'a');
  CREATE TABLE products(id INTEGER, sku TEXT PRIMARY KEY) WITHOUT ROWID;
  INSERT INTO products VALUES (1000, 'a'), (1001, 'b'), (1002, 'c');
  CREATE TABLE reviews(id INTEGER PRIMARY KEY, sku TEXT REFERENCES products, user_id REFERENCES users);
  INSERT INTO reviews VALUES (200, 'a', 4), (201, 'a', 3), (202, 'b', NULL);
  CREATE TABLE logs(id INTEGER PRIMARY KEY, said TEXT);
  INSERT INTO logs VALUES (1, 'one'), (2, 'two');`;

describe("a subset", () => {
  it("has the root's rows, what refers to them, and all that these refer to", async () => {
    const { ids, db } = await given(
      await imageOf(SHOP),
      keeping(subsetOf("SELECT id FROM users WHERE id = 3")),
    );
    expect(ids).toEqual({
      // Bob and Ada are the bosses above. Orders of theirs, and reviews of their products, are not followed.
      ...{ users: [1, 2, 3], orders: [10], lines: [100, 101], products: [1000, 1001] },
      ...{ reviews: [201], logs: [1, 2] },
    });
    expect(db.prepare("PRAGMA foreign_key_check").all()).toEqual([]);
    db.close();
  });

  it("starts from `rows` rows at most, in the order of its root", async () => {
    const root = "select u.id from users as u order by u.id desc;";
    const { ids } = await given(await imageOf(SHOP), keeping(subsetOf(root, 1)));
    expect(ids).toMatchObject({ users: [4], orders: [12], lines: [103], products: [1000] });
    const none = await given(
      await imageOf(SHOP),
      keeping(subsetOf("SELECT id FROM users WHERE id > 9")),
    );
    expect(none.ids).toMatchObject({ users: [], orders: [], products: [], logs: [1, 2] });
  });

  it("follows references that the schema does not declare", async () => {
    const references = { "ORDERS.email": "users.Email" };
    const root = "SELECT id FROM users WHERE id = 1";
    const { ids, unused } = await given(
      await imageOf(SHOP),
      keeping(subsetOf(root, 9, { ...references, "orders.gone": "users.id", "logs.id": "old.id" })),
    );
    // Order 10 came by its address, 11 by its user; each brings whom else it names.
    expect(ids["orders"]).toEqual([10, 11]);
    expect(ids["users"]).toEqual([1, 2, 3]);
    expect(unused).toEqual(["orders.gone = users.id", "logs.id = old.id"]);
  });

  it("follows nothing of what is dropped, and gives no row of it", async () => {
    const root = "SELECT id FROM users WHERE id = 3";
    const references = { "orders.email": "lines.id" };
    const rules = keeping(subsetOf(root, 9, references), { lines: "drop" });
    const { ids, unused } = await given(await imageOf(SHOP), rules);
    expect(ids).toMatchObject({ orders: [10], lines: [], products: [1000] });
    expect(unused).toEqual([]);
  });

  it("has no row of the erasure list, and finds its root where indexes are hidden", async () => {
    const entry: Erasure = {
      ...{ format: 1, id: "x", database: "shop", at: "", who: "" },
      ...{ table: "users", column: "name", salt: "salt", keyHash: hashKey("salt", "bob") },
    };
    const image = await world.erasedImageOf(
      [entry],
      `CREATE TABLE users(id INTEGER PRIMARY KEY, code TEXT, name TEXT);
       CREATE UNIQUE INDEX users_code ON users(code);
       INSERT INTO users VALUES (1, 'a', 'ada'), (2, 'b', 'bob'), (3, 'c', 'cyd');
       CREATE TABLE orders(id INTEGER PRIMARY KEY, user TEXT REFERENCES users(code));
       INSERT INTO orders VALUES (10, 'a'), (11, 'b'), (12, 'c');`,
    );
    const root = "SELECT code FROM users WHERE name <> 'cyd'";
    const { ids, bytes } = await given(image, keeping(subsetOf(root)), ["users", "orders"]);
    expect(ids).toEqual({ users: [1], orders: [10] });
    expect(bytes.includes("bob")).toBe(false);
    const up = await world.erasedImageOf(
      [entry],
      `CREATE TABLE users(id INTEGER PRIMARY KEY, code TEXT, name TEXT);
       CREATE UNIQUE INDEX users_code ON users(code);
       INSERT INTO users VALUES (1, 'a', 'ada'), (2, 'b', 'bob'), (3, 'c', 'cyd');
       CREATE TABLE orders(id INTEGER PRIMARY KEY, user TEXT REFERENCES users(code));
       INSERT INTO orders VALUES (10, 'a'), (11, 'b'), (12, 'c');`,
    );
    const rules = keeping(subsetOf("SELECT id FROM orders WHERE id < 12"));
    expect((await given(up, rules, ["users", "orders"])).ids).toEqual({
      users: [1],
      orders: [10, 11],
    });
  });

  it("chooses rows of a full-text index by a reference, and makes one of another table again", async () => {
    const found = `CREATE VIRTUAL TABLE found USING fts5(id UNINDEXED, said);
      INSERT INTO found(rowid, id, said) VALUES (1, 1, 'first word'), (3, 3, 'third word');
      CREATE VIRTUAL TABLE outer USING fts5(email, content=users, content_rowid=id);
      INSERT INTO outer(outer) VALUES ('rebuild');`;
    const root = "SELECT id FROM users WHERE id = 3";
    const linked = await given(
      await imageOf(SHOP, found),
      keeping(subsetOf(root, 9, { "found.rowid": "users.id" })),
    );
    const matching = (word: string, table: string) =>
      linked.db.prepare(`SELECT rowid AS id FROM ${table} WHERE ${table} MATCH ?`).all(word);
    expect(matching("word", "found")).toEqual([{ id: 3 }]);
    expect(matching("eve", "outer")).toEqual([{ id: 3 }]);
    expect(matching("joe", "outer")).toEqual([]);
    expect(linked.bytes.includes("first")).toBe(false);
    const apart = await given(await imageOf(SHOP, found), keeping(subsetOf(root)));
    expect(apart.db.prepare("SELECT count(*) AS n FROM found").get()).toEqual({ n: 2 });
  });

  describe("compares as a foreign key does", () => {
    const TYPES = `
      CREATE TABLE exact(id INTEGER PRIMARY KEY, code TEXT UNIQUE);
      INSERT INTO exact VALUES (1, '1'), (2, '01'), (3, 'Key'), (4, 'KEY');
      CREATE TABLE folded(id INTEGER PRIMARY KEY, code TEXT COLLATE NOCASE UNIQUE);
      INSERT INTO folded VALUES (1, 'abc'), (2, 'xyz');
      CREATE TABLE child(id INTEGER PRIMARY KEY, number INTEGER REFERENCES exact(code),
        any REFERENCES exact(code), text TEXT COLLATE NOCASE REFERENCES exact(code), fold TEXT REFERENCES folded(code));
      INSERT INTO child VALUES (1, 1, NULL, NULL, NULL), (2, '01', NULL, NULL, NULL), (3, NULL, 1, NULL, NULL),
        (4, NULL, NULL, 'key', NULL), (5, NULL, NULL, 'KEY', NULL), (6, NULL, NULL, NULL, 'ABC');
      CREATE TABLE named(code TEXT PRIMARY KEY, id INTEGER, exact TEXT REFERENCES exact(code)) WITHOUT ROWID;
      INSERT INTO named VALUES ('n', 1, 'Key'), ('N', 2, 'Key'), ('other', 3, '1');`;
    const NAMES = ["exact", "folded", "child", "named"];

    it.each([
      // A column of integers stores '01' as 1, and it refers to '1'.
      ["exact", 1, { exact: [1], folded: [], child: [1, 2, 3], named: [3] }],
      ["exact", 2, { exact: [2], folded: [], child: [], named: [] }],
      ["exact", 3, { exact: [3], folded: [], child: [], named: [1, 2] }],
      ["exact", 4, { exact: [4], folded: [], child: [5], named: [] }],
      ["folded", 1, { exact: [], folded: [1], child: [6], named: [] }],
      ["child", 1, { exact: [1], folded: [], child: [1], named: [] }],
      ["child", 2, { exact: [1], folded: [], child: [2], named: [] }],
      ["child", 3, { exact: [1], folded: [], child: [3], named: [] }],
      ["child", 4, { exact: [], folded: [], child: [4], named: [] }],
      ["child", 5, { exact: [4], folded: [], child: [5], named: [] }],
      ["child", 6, { exact: [], folded: [1], child: [6], named: [] }],
    ])("from %s %i", async (table, id, expected) => {
      const rules = keeping(subsetOf(`SELECT id FROM ${table} WHERE id = ${id}`));
      expect((await given(await imageOf(TYPES), rules, NAMES)).ids).toEqual(expected);
    });
  });

  it("has only its rows also of those that a column would change", async () => {
    // As ALTER COLUMN of libSQL leaves them: numbers in a column of text.
    const image = await imageOf(
      SHOP,
      `CREATE TABLE odd(id INTEGER PRIMARY KEY, user_id REFERENCES users, n);
       INSERT INTO odd VALUES (1, 3, 5), (2, 3, 'five'), (3, 4, 6), (4, 4, 'six');
       PRAGMA writable_schema = ON;
       UPDATE sqlite_schema SET sql = replace(sql, 'n)', 'n TEXT)') WHERE name = 'odd';`,
    );
    const rules = keeping(subsetOf("SELECT id FROM users WHERE id = 3"));
    const { ids, db } = await given(image, rules, ["odd"]);
    expect(ids).toEqual({ odd: [1, 2] });
    expect(db.prepare("SELECT typeof(n) AS t FROM odd ORDER BY id").all()).toEqual([
      { t: "integer" },
      { t: "text" },
    ]);
  });

  it("has masks, by which the same rows join", async () => {
    const rules = keeping(subsetOf("SELECT rowid FROM users WHERE id = 3", 9), {
      users: { id: "hash", email: "fake: email", boss: "hash" },
      orders: { user_id: "hash", email: "fake: email" },
      reviews: { user_id: "hash" },
    });
    const { db, bytes } = await given(await imageOf(SHOP), rules, ["orders", "reviews"]);
    expect(
      originalsIn(
        bytes,
        ["ada@", "bob@", "eve@", "joe@"].map((of) => `${of}people.example`),
      ),
    ).toEqual([]);
    expect(db.prepare("PRAGMA foreign_key_check").all()).toEqual([]);
    const joined = "SELECT count(*) AS n FROM orders JOIN users ON users.id = user_id";
    expect(db.prepare(joined).get()).toEqual({ n: 1 });
  });

  it("leaves a violation that the database has", async () => {
    const image = await imageOf(SHOP, "INSERT INTO lines VALUES (104, 10, 'gone')");
    const rules = keeping(subsetOf("SELECT id FROM users WHERE id = 3"));
    const { ids, db } = await given(image, rules);
    expect(ids["lines"]).toEqual([100, 101, 104]);
    expect(db.prepare("PRAGMA foreign_key_check").all()).toMatchObject([{ table: "lines" }]);
  });

  it.each(["nightjar keeps 0", "nightjar keeps +1"])(
    "of a table with the name %s",
    async (name) => {
      const image = await imageOf(
        SHOP,
        `CREATE TABLE "${name}"(id INTEGER PRIMARY KEY, user_id REFERENCES users)`,
        `INSERT INTO "${name}" VALUES (7, 3), (8, 4)`,
      );
      const rules = keeping(subsetOf("SELECT id FROM users WHERE id = 3"));
      expect((await given(image, rules, [name])).ids).toEqual({ [name]: [7] });
    },
  );
});

describe("refused", () => {
  it.each([
    ["SELECT id FROM gone", /reads gone, of which no rows are given/],
    ["SELECT id FROM logs", /reads logs, of which no rows/],
    ["SELECT gone FROM users", /users has no column gone/],
    ["SELECT user_id FROM orders", /orders\.user_id may come twice/],
    ["SELECT sku FROM parts", /parts\.sku may come twice/],
    ["SELECT version FROM parts", /parts\.version may come twice/],
    ["SELECT state FROM parts", /parts\.state may come twice/],
    ["SELECT code FROM parts", /given/],
    ["SELECT rowid FROM products", /products has no column rowid/],
    ["SELECT id FROM users WHERE gone = 1", /root.*no such column: gone/],
    ["SELECT id FROM users WHERE id = ?", /root.*1 parameters/],
    ["SELECT id FROM users WHERE load_extension('x')", /root.*load_extension/],
    ["SELECT id FROM users ORDER BY id /* open", /given/],
  ])("%s", async (root, words) => {
    const rules = keeping(subsetOf(root), { logs: "drop" });
    const parts = `CREATE TABLE parts(sku, version, state, code UNIQUE, PRIMARY KEY (sku, version));
      CREATE UNIQUE INDEX current ON parts(state) WHERE state = 'current';`;
    const answer = await refusalOf(await imageOf(SHOP, parts), rules);
    expect(answer).toMatch(words);
    if (answer !== "given") expect(answer).toMatch(/^SANITIZE_SUBSET: /);
  });

  it("are more rows than there is room for, whichever way they come", async () => {
    const many = () =>
      imageOf(
        SHOP,
        "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1099) INSERT INTO orders SELECT i, 3, NULL FROM n",
      );
    const limited = async (root: string, most: number) => {
      const image = await many();
      const tables = describeTables(await readSchema(image)).filter(({ name }) => name !== "logs");
      return planSubset(image, tables, tables, subsetOf(root), most).then(
        ({ tables: kept }) => kept.reduce((sum, { rows }) => sum + rows, 0),
        ({ code, message }) => `${code}: ${message}`,
      );
    };
    const eve = "SELECT id FROM users WHERE id = 3";
    expect(await limited(eve, 109)).toBe(109);
    expect(await limited(eve, 108)).toBe(
      "SANITIZE_SUBSET: The subset has more than 108 rows: 3 so far of users.",
    );
    expect(await limited(eve, 50)).toMatch(/more than 50 rows: 51 so far of orders/);
    expect(await limited("SELECT id FROM orders", 60)).toMatch(/more than 60 rows: 104 so far/);
  });

  it("are keys that there is no memory for", async () => {
    const image = await imageOf(
      `CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);
       CREATE TABLE long(k TEXT PRIMARY KEY, t_id REFERENCES t) WITHOUT ROWID;
       WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
         INSERT INTO long SELECT printf('%0500d', i), 1 FROM n;`,
    );
    expect(await refusalOf(image, keeping(subsetOf("SELECT id FROM t")))).toMatch(
      /^SANITIZE_SUBSET: The subset has more rows than there is memory for/,
    );
  });

  it("is what the bucket does not give, wherever it ends", async () => {
    const rules = keeping(subsetOf("SELECT id FROM users WHERE id = 3"));
    const answers: string[] = [];
    for (let reads = 0; answers.at(-1) !== "given"; reads++) {
      const { image, break: breaks } = await world.breakingImageOf(reads, SHOP);
      breaks();
      answers.push(await refusalOf(image, rules));
    }
    expect(answers.length).toBeGreaterThan(5);
    expect(new Set(answers.slice(0, -1))).toEqual(new Set(["STORE_FAILED: The bucket is gone."]));
  });

  it("is a table whose rows no statement can name, if the subset reaches it", async () => {
    const image = await imageOf(
      SHOP,
      "CREATE TABLE odd(rowid, _rowid_, oid, user_id REFERENCES users)",
    );
    const rules = keeping(subsetOf("SELECT id FROM users"));
    expect(await refusalOf(image, rules)).toMatch(/^SANITIZE_SUBSET: .*table odd/);
    expect(await refusalOf(image, { ...rules, ...rulesOf({ odd: "drop" }, true) })).toBe("given");
  });
});

describe("a root", () => {
  it.each([
    ["select id from users", "users", "id"],
    ['SELECT "Id" FROM [Users] WHERE 1', "users", "id"],
    ["select distinct u.id from users u join orders o on o.user_id = u.id", "users", "id"],
    ["select users.id from users order by id limit 5 ; -- newest", "users", "id"],
    ["select id from users where id in (select user_id from a union select 1)", "users", "id"],
    ["select u.id from users as u, orders", "users", "id"],
  ])("is %s", (sql, table, column) => expect(parseRoot(sql)).toMatchObject({ table, column }));

  it.each([
    ...["", "select", "select * from users", "select id, name from users", "select 1 from users"],
    ...["select count(*) from users", "select 'id' from users", "select id from users; select 1"],
    ...[
      "select id from users union select id from orders",
      "select id from users) union (select 1",
    ],
    ...["with a as (select 1) select id from a", "select id from (select 1 as id)"],
    ...["select o.id from users u", "select users.id from users u", "select id from main.users"],
    ...[
      "delete from users",
      "select id from users where name = 'open",
      "select id from users where (1",
    ],
    ...["select id from json_each('[1]')", "values (1)"],
  ])("is not %s", (sql) => expect(parseRoot(sql)).toBeUndefined());

  it.each([
    ["CREATE UNIQUE INDEX i ON t(a)", true],
    ['CREATE UNIQUE INDEX IF NOT EXISTS i ON "T" (A COLLATE NOCASE DESC) -- note', true],
    ["CREATE INDEX i ON t(a)", false],
    ["CREATE UNIQUE INDEX i ON t(a, b)", false],
    ["CREATE UNIQUE INDEX i ON t(a) WHERE a > 1", false],
    ["CREATE UNIQUE INDEX i ON u(a)", false],
    ["CREATE UNIQUE INDEX i ON t(a(1))", false],
    ["CREATE UNIQUE INDEX i ON t(b)", false],
    ["CREATE UNIQUE INDEX i ON t(a", false],
  ])("has values that come once by %s: %s", (sql, is) =>
    expect(isUniqueIndex(sql, "t", "a")).toBe(is),
  );
});
