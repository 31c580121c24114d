import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { zstdDecompressSync } from "node:zlib";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import { openAge } from "../../support/age-by-hand.ts";
import { differences, Product } from "../../support/product.ts";

/** Encrypted backups from outside: the contents of the bucket, and the files that the command line makes. */
let product: Product;
let source: string;
let identity: string;

const nightjar = (...args: string[]) => product.nightjar(...args);
const inDir = (name: string) => join(product.dir, name);

beforeAll(async () => {
  product = await Product.create();
  const shop = await product.sqld("shop");
  await loadShop(shop.url);
  source = shop.url;
  identity = await generateIdentity();
  const recipients = [await identityToRecipient(identity)];
  await writeFile(
    inDir("key.txt"),
    `# created: today\n# public key: ${recipients[0]}\n${identity}\n`,
  );
  await writeFile(inDir("other.txt"), `${await generateIdentity()}\n`);
  await product.start(
    {
      shop: { url: source, recipients },
      dumped: { url: source, recipients, capture: "dump", identity: "DRILLS" },
    },
    { DRILLS: identity },
  );
});

afterAll(() => product.stop());

async function expectEqual(file: string): Promise<void> {
  const database = new DatabaseSync(inDir(file), { readOnly: true });
  const { differing, rows } = await differences(source, database);
  database.close();
  expect(differing).toEqual([]);
  expect(rows).toBeGreaterThan(50_000);
}

const OPENED = { shop: "db", dumped: "sql" } as const;

describe.each(["shop", "dumped"] as const)("the encrypted backup of %s", (name) => {
  const stored = `${OPENED[name]}.zst.age`;

  it("is made, verified, and drilled where there is an identity", async () => {
    const { code, out } = await nightjar("backup", name);
    expect({ code, out }).toMatchObject({
      code: 0,
      out: expect.stringContaining("Backup") as string,
    });
    const drill = await nightjar("drill", name);
    if (name === "dumped") expect(drill.out).toMatch(/passed\.$/m);
    else {
      expect(drill.code).toBe(1);
      expect(drill.err).toContain(
        "is unproven (encrypted): It is encrypted, and no identity is configured",
      );
    }
    expect((await nightjar("verify", name)).out).toMatch(
      /ok +envelope: an age file for 1 recipients/,
    );
    expect((await nightjar("list", name)).out).toMatch(/encrypted/);
  });

  it("comes as it is stored, and opens without Nightjar", async () => {
    const { out } = await nightjar("download", name);
    const [, file] = /^(.*\.zst\.age): .*, checked against the backup's hash/.exec(out)!;
    expect(file!.endsWith(stored)).toBe(true);
    const content = zstdDecompressSync(openAge(readFileSync(file!), identity));
    await writeFile(inDir(`${name}-by-hand`), content);
    if (name === "shop") await expectEqual(`${name}-by-hand`);
    else expect(content.toString()).toMatch(/^PRAGMA foreign_keys=OFF;/);
  });

  it("opens on the machine that has the identity, by pull and by restore", async () => {
    const format = OPENED[name];
    const pulled = await nightjar("pull", name, "--identity", "key.txt", "--format", format);
    expect(pulled).toMatchObject({ code: 0 });
    expect(
      readFileSync(inDir(`${name}.${format}`)).equals(readFileSync(inDir(`${name}-by-hand`))),
    ).toBe(true);
    const file = `${name}-restored.db`;
    const restored = await nightjar(
      "restore",
      name,
      "--identity",
      "key.txt",
      "--to",
      file,
      "--verify",
    );
    expect(restored).toMatchObject({ code: 0 });
    await expectEqual(file);
    const leftOver = /\.\d+\.(age|opened|part|restoring)/;
    expect(readdirSync(product.dir).filter((entry) => leftOver.test(entry))).toEqual([]);
  });

  it("stays shut without it", async () => {
    const without = await nightjar("pull", name, "--format", OPENED[name], "-o", "never");
    expect(without.code).toBe(2);
    expect(without.err).toContain("--identity <file>");
    const other = await nightjar(
      "pull",
      name,
      "--format",
      OPENED[name],
      "--identity",
      "other.txt",
      "-o",
      "never",
    );
    expect(other.code).toBe(1);
    expect(other.err).toContain("not encrypted to this identity");
    const url = await nightjar("url", name);
    expect(url.err).toContain(`as ${stored}, not as sql.gz`);
    const query = await nightjar("query", name, "SELECT 1");
    expect(query.err).toContain("is encrypted");
    const server = await nightjar("restore", name, "--to", "http://127.0.0.1:9");
    expect(server.err).toContain("is encrypted");
    expect(readdirSync(product.dir)).not.toContain("never");
  });
});

it("restores tables of a dump, and refuses parts of a snapshot", async () => {
  const args = (name: string) => [
    "restore",
    name,
    "--identity",
    "key.txt",
    "--to",
    `${name}-part.db`,
    "--tables",
    "customers",
  ];
  expect(await nightjar(...args("dumped"))).toMatchObject({ code: 0 });
  const database = new DatabaseSync(inDir("dumped-part.db"), { readOnly: true });
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  expect(tables.map(({ name }) => name)).toEqual(["customers"]);
  database.close();
  const refused = await nightjar(...args("shop"));
  expect(refused.code).toBe(3);
  expect(refused.err).toContain("restored as a whole");
});

it("gives no row that was erased", async () => {
  const email = "SELECT email FROM customers WHERE id = 7";
  const before = new DatabaseSync(inDir("shop-restored.db"), { readOnly: true });
  const { email: gone } = before.prepare(email).get() as { email: string };
  before.close();
  for (const name of ["shop", "dumped"]) {
    const which = ["--table", "customers", "--column", "id", "--key", "7", "--who", "a test"];
    expect(await nightjar("erase", name, ...which)).toMatchObject({ code: 0 });
    const restored = await nightjar(
      ...["restore", name, "--identity", "key.txt", "--to", `${name}-erased.db`],
    );
    expect(restored).toMatchObject({ code: 0 });
    expect(restored.err).toContain("rows of customers that were erased since then are left out");
    const database = new DatabaseSync(inDir(`${name}-erased.db`), { readOnly: true });
    expect(database.prepare(email).get()).toBeUndefined();
    database.close();
    expect(readFileSync(inDir(`${name}-erased.db`)).includes(gone)).toBe(false);
    const packed = await nightjar(
      ...["pull", name, "--identity", "key.txt", "--format", `${OPENED[name as "shop"]}.zst`],
    );
    expect(packed.err).toContain("cannot be made without them");
  }
  const sql = await nightjar(
    ...["pull", "dumped", "--identity", "key.txt", "--format", "sql", "-o", "erased.sql"],
  );
  expect(sql).toMatchObject({ code: 0 });
  expect(sql.out).toContain("without the rows that were erased");
  expect(readFileSync(inDir("erased.sql")).includes(gone)).toBe(false);
});
