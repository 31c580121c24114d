import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { inject } from "vitest";
import { compareDatabases } from "../../scripts/lib/compare.ts";
import { fireCron, startWorker } from "../../scripts/lib/local-worker.ts";
import { freePort, type ServerProcess } from "../../scripts/lib/server-process.ts";
import { startSqld } from "../../scripts/lib/sqld.ts";
import { apiClient, bodyOf } from "../../src/cli/client.ts";
import { type Outcome, runCli } from "./run-cli.ts";

export const TOKEN = "end-to-end-admin-token-of-24-characters";
export const SIGNING_KEY = "end-to-end-signing-key-of-24-characters";

/**
 * The product as its users see it: `wrangler dev` with its Workflow and its Durable Object, real libSQL
 * servers, HTTP from outside, and the command line in a separate process. It stops everything that it starts.
 */
export class Product {
  /** The folder of all files; the command line runs here too. */
  readonly dir: string;
  /** The folder where the local R2, D1, Workflows and Durable Objects keep their state. */
  readonly persistTo: string;
  worker!: ServerProcess;
  #vars: Record<string, string> = {};
  readonly #stops: (() => Promise<void>)[] = [];

  private constructor(dir: string) {
    this.dir = dir;
    this.persistTo = join(dir, "cloudflare");
  }

  static async create(): Promise<Product> {
    return new Product(await mkdtemp(join(tmpdir(), "nightjar-e2e-")));
  }

  /** Start a libSQL server. `args` go to sqld. */
  async sqld(name: string, args: string[] = []): Promise<ServerProcess> {
    const started = await startSqld(join(this.dir, name), args);
    this.stopAtEnd(() => started.stop());
    return started;
  }

  stopAtEnd(stop: () => Promise<void>): void {
    this.#stops.push(stop);
  }

  /** Start Nightjar with these databases and secrets. */
  async start(databases: object, secrets: Record<string, string> = {}): Promise<void> {
    await cp(inject("migrated"), this.persistTo, { recursive: true });
    const DATABASES = JSON.stringify(databases);
    this.#vars = { DATABASES, ADMIN_TOKEN: TOKEN, SIGNING_KEY, ...secrets };
    await this.#startWorker();
    this.stopAtEnd(() => this.worker.stop());
  }

  /**
   * Kill workerd and everything in it with SIGKILL, including storage; then start it again on the same state.
   */
  async killAndRestart(): Promise<void> {
    process.kill(-this.worker.pid, "SIGKILL");
    await this.worker.ended;
    await this.#startWorker();
  }

  /** Start the stopped Worker again on the same state, with other secrets if given. */
  async startAgain(secrets: Record<string, string> = {}): Promise<void> {
    this.#vars = { ...this.#vars, ...secrets };
    await this.#startWorker();
  }

  async #startWorker(): Promise<void> {
    const { persistTo } = this;
    this.worker = await startWorker({ port: await freePort(), persistTo, vars: this.#vars });
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.toReversed()) await stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  fireCron(): Promise<void> {
    return fireCron(this.worker.url);
  }

  get client() {
    return apiClient({ url: this.worker.url, token: TOKEN });
  }

  /** Return the newest run of a database, once it has ended. */
  async ended(db: string) {
    for (;;) {
      const { lastRun } = await bodyOf(this.client.v1.databases[":db"].$get({ param: { db } }));
      if (lastRun !== null && lastRun.finishedAt !== null) return lastRun;
      await sleep(100);
    }
  }

  async backups(db: string) {
    const query = { limit: "50" };
    const list = this.client.v1.databases[":db"].backups.$get({ param: { db }, query });
    return (await bodyOf(list)).backups;
  }

  /** Return the timeline of a database, once it has at least this many changes. */
  async timeline(db: string, changes = 1) {
    for (;;) {
      const query = { limit: "100" };
      const sent = await this.client.v1.databases[":db"].timeline.$get({ param: { db }, query });
      if (sent.ok) {
        const timeline = await bodyOf(Promise.resolve(sent));
        if (timeline.changes.length >= changes) return timeline;
      }
      await sleep(100);
    }
  }

  nightjar(...args: string[]): Promise<Outcome> {
    const env = { NIGHTJAR_URL: this.worker.url, NIGHTJAR_TOKEN: TOKEN };
    return runCli(args, this.dir, env);
  }

  /** Download the newest backup of a database by a link. */
  async download(db: string, format: string): Promise<Buffer> {
    const { out } = await this.nightjar("url", db, "--format", format);
    const answer = await fetch(out.trim());
    if (!answer.ok) throw new Error(`the download answered ${answer.status}`);
    return Buffer.from(await answer.arrayBuffer());
  }

  /** Open a database from the bytes of its file. */
  async open(file: Buffer): Promise<DatabaseSync> {
    const path = join(this.dir, `${crypto.randomUUID()}.db`);
    await writeFile(path, file);
    return new DatabaseSync(path);
  }
}

/** Compare a server's database with a copy: the differences, and the number of rows compared. */
export async function differences(url: string, copy: DatabaseSync) {
  const comparisons = await compareDatabases(url, copy);
  const rows = comparisons.reduce((sum, comparison) => sum + comparison.rows, 0);
  return { differing: comparisons.filter(({ difference }) => difference !== undefined), rows };
}

/** Load a database from SQL. */
export function loaded(sql: string): DatabaseSync {
  const database = new DatabaseSync(":memory:");
  database.exec(sql);
  return database;
}
