import { Buffer } from "node:buffer";
import { inject } from "vitest";
import type { Source } from "../../src/libsql/server.ts";
import type { StockOrder } from "./stock-sqlite.ts";
import { cells, tell, type Told } from "./told.ts";
import type { TursoOrder } from "./turso-servers.ts";

/** A value in Hrana's JSON. */
interface JsonValue {
  readonly type: string;
  readonly value?: string | number | null;
  readonly base64?: string;
}

/** What a statement's answer has. */
interface Result {
  readonly error?: { readonly message: string };
  readonly response?: { readonly result: { readonly rows: JsonValue[][] } };
}

/** A database of a real server of Turso's engine (`tursodb --sync-server`). */
export class TursoDatabase {
  readonly #name: string;
  readonly source: Source;

  private constructor(name: string, url: string) {
    this.#name = name;
    this.source = { url, token: undefined, namespace: undefined, stallMs: 5000 };
  }

  /** @param flags of tursodb, like `--experimental-views` */
  static async create(...flags: string[]): Promise<TursoDatabase> {
    const name = `turso-${crypto.randomUUID()}`;
    return new TursoDatabase(name, await order({ name, flags }));
  }

  /** Create a database that is encrypted at rest, with a key of zeros. */
  static async encrypted(cipher: string, ...flags: string[]): Promise<TursoDatabase> {
    const name = `turso-${crypto.randomUUID()}`;
    return new TursoDatabase(name, await order({ name, flags, cipher }));
  }

  /** Open the bytes of a database file in a server of their own. */
  static async open(bytes: Uint8Array, ...flags: string[]): Promise<TursoDatabase> {
    const name = `turso-${crypto.randomUUID()}`;
    const file = Buffer.from(bytes).toString("base64");
    return new TursoDatabase(name, await order({ name, flags, file }));
  }

  /** Run statements, and return the rows of the last one. @throws Error for one that fails */
  async exec(...statements: string[]): Promise<unknown[][]> {
    const results = await this.#run(statements);
    for (const { error } of results) if (error !== undefined) throw new Error(error.message);
    const rows = results.at(-1)?.response?.result.rows ?? [];
    return rows.map((row) => row.map(({ value, base64 }) => base64 ?? value ?? null));
  }

  /** Read everything in the database, as its engine does, and answer queries. */
  tell(queries: readonly string[] = []): Promise<Told> {
    return tell(async (statements) => {
      const results = await this.#run(statements);
      return results.map(({ error, response }) => {
        if (error !== undefined && !/no such column: rowid/.test(error.message))
          throw new Error(error.message);
        return response?.result.rows.map((row) => row.map(cellOf));
      });
    }, queries);
  }

  async #run(statements: readonly string[]): Promise<Result[]> {
    const requests = statements.map((sql) => ({ type: "execute", stmt: { sql } }));
    const answer = await fetch(`${this.source.url}/v2/pipeline`, {
      method: "POST",
      body: JSON.stringify({ requests }),
    });
    const body = await answer.text();
    if (!answer.ok) throw new Error(body);
    return (JSON.parse(body) as { results: Result[] }).results;
  }

  /** Commit a transaction that writes about as many pages. */
  async write(table: string, pages: number): Promise<void> {
    const rows = Array.from({ length: pages }, () => "(hex(randomblob(1750)))").join(",");
    await this.exec(
      `CREATE TABLE IF NOT EXISTS ${table} (id INTEGER PRIMARY KEY, data)`,
      `INSERT INTO ${table}(data) VALUES ${rows}`,
    );
  }

  async checkpoint(): Promise<void> {
    await this.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** Keep a copy of the database's files. */
  async save(copy: string): Promise<void> {
    await order({ name: this.#name, save: copy });
  }

  /** Put a copy back in place of the database's files. */
  async putBack(copy: string): Promise<void> {
    await order({ name: this.#name, from: copy });
  }

  async remove(): Promise<void> {
    await order({ name: this.#name, remove: true });
  }
}

/** Open a file, or load SQL, in stock SQLite, read everything, and answer queries. */
export async function tellStock(
  what: { readonly file: Uint8Array } | { readonly sql: Uint8Array },
  queries: readonly string[] = [],
): Promise<Told> {
  const [[kind, bytes]] = Object.entries(what) as [[string, Uint8Array]];
  const stock: StockOrder = { [kind]: Buffer.from(bytes).toString("base64"), queries };
  return JSON.parse(await order({ name: "stock", stock })) as Told;
}

function cellOf({ type, value, base64 }: JsonValue): string {
  if (type === "integer") return cells.integer(String(value));
  if (type === "float") return cells.real(value === null ? null : Number(value));
  if (type === "text") return cells.text(String(value));
  return type === "blob" ? cells.blob(Buffer.from(base64 ?? "", "base64")) : cells.none;
}

async function order(what: TursoOrder): Promise<string> {
  const answer = await fetch(inject("tursodb"), { method: "POST", body: JSON.stringify(what) });
  const said = await answer.text();
  if (!answer.ok) throw new Error(said);
  return said;
}
