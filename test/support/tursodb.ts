import { inject } from "vitest";

/** A new, empty database on a real server of Turso's own engine. */
export class Tursodb {
  readonly url: string;

  private constructor(url: string) {
    this.url = url;
  }

  /** @param args like `--experimental-views` */
  static async start(...args: string[]): Promise<Tursodb> {
    const response = await fetch(inject("tursodbs"), {
      method: "POST",
      body: JSON.stringify(args),
    });
    const url = await response.text();
    if (!response.ok) throw new Error(url);
    return new Tursodb(url);
  }

  /** Run statements one by one, and return what each one was refused with, or null. */
  async run(...statements: readonly string[]): Promise<(string | null)[]> {
    const response = await fetch(`${this.url}/v2/pipeline`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        requests: statements.map((sql) => ({ type: "execute", stmt: { sql } })),
      }),
    });
    const { results } = (await response.json()) as {
      results: { error?: { message: string } }[];
    };
    return results.map(({ error }) => error?.message ?? null);
  }

  /** Run statements, none of which may be refused. */
  async exec(...statements: readonly string[]): Promise<void> {
    const refused = (await this.run(...statements)).find((words) => words !== null);
    if (refused !== undefined) throw new Error(refused!);
  }
}
