import { Buffer } from "node:buffer";
import { type Client, createClient } from "@libsql/client/web";
import { inject } from "vitest";

/** A new database on a libSQL server of the tests, and its client. */
export class PageDatabase {
  readonly namespace = `t${crypto.randomUUID().replaceAll("-", "")}`;
  readonly client: Client;
  /** The database's entry in Nightjar's configuration. */
  readonly config: { url: string; namespace: string };

  private constructor(url: string) {
    this.config = { url, namespace: this.namespace };
    const namespace = Buffer.from(this.namespace).toString("base64").replace(/=+$/, "");
    this.client = createClient({
      url,
      fetch: async (request: Request) => {
        const headers = new Headers(request.headers);
        headers.set("x-namespace-bin", namespace);
        const { method } = request;
        return fetch(request.url, { method, headers, body: await request.text() });
      },
    });
  }

  static async create(schema = "", server = inject("pages")): Promise<PageDatabase> {
    const database = new PageDatabase(server.url);
    await database.create(server.adminUrl);
    if (schema !== "") await database.exec(schema);
    return database;
  }

  /** Create the database, which does not exist yet or was removed. */
  async create(adminUrl: string = inject("pages").adminUrl): Promise<void> {
    const response = await fetch(`${adminUrl}/v1/namespaces/${this.namespace}/create`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    if (!response.ok) throw new Error(`creating a namespace: ${await response.text()}`);
  }

  async exec(sql: string): Promise<void> {
    await this.client.executeMultiple(sql);
  }

  /** Run statements one by one. One that the server refuses changes nothing. */
  async runAll(statements: readonly string[]): Promise<void> {
    const requests = statements.map((sql) => ({ type: "execute", stmt: { sql } }));
    const namespace = Buffer.from(this.namespace).toString("base64").replace(/=+$/, "");
    const response = await fetch(`${this.config.url}/v2/pipeline`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-namespace-bin": namespace },
      body: JSON.stringify({ requests: [...requests, { type: "close" }] }),
    });
    if (!response.ok) throw new Error(`running statements: ${await response.text()}`);
    await response.body?.cancel();
  }

  /** Remove the database. */
  async remove(adminUrl: string = inject("pages").adminUrl): Promise<void> {
    const response = await fetch(`${adminUrl}/v1/namespaces/${this.namespace}`, {
      method: "DELETE",
    });
    await response.body?.cancel();
  }

  /** Insert `rows` rows of about 400 bytes into table `name`, in one transaction. */
  async fill(name: string, rows: number): Promise<void> {
    await this.exec(`CREATE TABLE IF NOT EXISTS ${name} (id INTEGER PRIMARY KEY, pad TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
      INSERT INTO ${name} (pad) SELECT hex(randomblob(190)) FROM n;`);
  }

  /** Read every row of a table as text, with types and rowids. */
  async rows(table: string): Promise<string[]> {
    const { rows } = await this.client.execute(
      `SELECT rowid || ' ' || quote(id) || ' ' || quote(pad) FROM ${table} ORDER BY rowid`,
    );
    return rows.map((row) => String(row[0]));
  }
}
