import { Buffer } from "node:buffer";
import type { Catalog } from "../catalog/open.ts";
import {
  type Discovered,
  discoveredAfter,
  findByHostname,
  findDiscovered,
} from "../catalog/fleet/discovered.ts";
import type { DatabaseConfig } from "../config/database.ts";
import type { Config } from "../config/load.ts";
import type { ConfigMistake } from "../config/mistakes.ts";
import { longestAges } from "../plan/lifecycle.ts";
import type { Policy } from "../plan/retention.ts";
import { DEFAULT_RETENTION } from "../plan/tier.ts";
import { spreadDelay, startDelay } from "../plan/schedule.ts";

/** Rows that are read of Turso's list at once. */
const BATCH = 500;

/** Why a database that Turso lists is not protected. */
export type Unprotected =
  | "group"
  | "not-included"
  | "excluded"
  /** `DATABASES` has another database of this name. */
  | "name-taken"
  /** `DATABASES` protects it under another name. */
  | "configured"
  /** Turso lists it no longer. */
  | "gone";

/** The retention policy of a database of which there are backups, and what else is asked of it then. */
export type StoredPolicy = Policy & Partial<Pick<DatabaseConfig, "copy" | "logMs">>;
export type Policies = ReadonlyMap<string, StoredPolicy>;

/**
 * The databases under protection: those of `DATABASES`, and those that Turso lists and `TURSO` protects. An
 * entry of `DATABASES` comes before a database that Turso lists, by its name and by its address.
 */
export class Fleet {
  readonly #config: Config;
  readonly #catalog: Catalog;
  /** The entries of `DATABASES` by their hosts. */
  readonly #hosts: ReadonlyMap<string, DatabaseConfig>;

  constructor(config: Config, catalog: Catalog) {
    this.#config = config;
    this.#catalog = catalog;
    const entries = [...config.databases.values()];
    this.#hosts = new Map(entries.map((entry) => [new URL(entry.url).host, entry]));
  }

  /** Return a protected database; undefined if there is none of this name. @throws `CATALOG_FAILED` */
  async find(name: string): Promise<DatabaseConfig | undefined> {
    return (await this.findAll([name])).get(name);
  }

  /** Return the protected databases among some names. @throws NightjarError `CATALOG_FAILED` */
  async findAll(names: readonly string[]): Promise<Map<string, DatabaseConfig>> {
    const found = new Map<string, DatabaseConfig>();
    const others: string[] = [];
    for (const name of names) {
      const database = this.#config.databases.get(name);
      if (database === undefined) others.push(name);
      else found.set(name, database);
    }
    if (this.#config.turso === undefined || others.length === 0) return found;
    for (const row of await findDiscovered(this.#catalog, others)) {
      const settings = this.protectedAs(row);
      if (settings !== undefined) found.set(row.name, settings);
    }
    return found;
  }

  /**
   * Return up to `limit` protected databases whose names come after `after`, in the order of their names.
   *
   * @throws NightjarError `CATALOG_FAILED`
   */
  async page(after: string, limit: number): Promise<DatabaseConfig[]> {
    const named = [...this.#config.databases.values()].filter(({ name }) => name > after);
    const found: DatabaseConfig[] = [];
    for await (const database of this.#listed(after)) {
      found.push(database);
      if (found.length === limit) break;
    }
    return [...named, ...found].toSorted((a, b) => compareNames(a.name, b.name)).slice(0, limit);
  }

  /** Return all protected databases, by their names. @throws NightjarError `CATALOG_FAILED` */
  async all(): Promise<Map<string, DatabaseConfig>> {
    const all = new Map(this.#config.databases);
    for await (const database of this.#listed("")) all.set(database.name, database);
    return all;
  }

  /**
   * Return the settings of a database that is protected, or that Turso lists or did list; undefined for any
   * other one.
   *
   * @throws NightjarError `CATALOG_FAILED`
   */
  async settings(name: string): Promise<DatabaseConfig | undefined> {
    const database = this.#config.databases.get(name);
    if (database !== undefined || this.#config.turso === undefined) return database;
    const [row] = await findDiscovered(this.#catalog, [name]);
    return row && this.#settingsOf(row);
  }

  /**
   * Return the name of the protected database that Turso lists at an address; undefined if there is none. While
   * `TURSO` has a mistake, nobody can tell which are protected: any of them is.
   *
   * @throws NightjarError `CATALOG_FAILED`
   */
  async nameAt(url: string): Promise<string | undefined> {
    const { turso, tursoMistakes } = this.#config;
    if (turso === undefined && tursoMistakes.length === 0) return undefined;
    const row = await findByHostname(this.#catalog, new URL(url).host);
    const isOurs = row !== undefined && (turso === undefined || !this.whyUnprotected(row));
    return isOurs ? row.name : undefined;
  }

  /**
   * Return true if values of a database as they are take the scope `download:raw`. Of one that nothing is known
   * of (any more) they do if those of any other one do.
   *
   * @throws NightjarError `CATALOG_FAILED`
   */
  async rawNeedsScope(name: string): Promise<boolean> {
    return this.#holds(name, ({ rawNeedsScope }) => rawNeedsScope);
  }

  /**
   * Return true if a second person must approve what destroys something of a database. Of one that nothing is
   * known of (any more) that is so if it is of any other one.
   *
   * @throws NightjarError `CATALOG_FAILED`
   */
  async needsApproval(name: string): Promise<boolean> {
    return this.#holds(name, (settings) => settings.protected);
  }

  /** Return true if a guard holds for a database; where nobody can tell, if it holds for any. */
  async #holds(name: string, guard: (settings: DatabaseConfig) => boolean): Promise<boolean> {
    const settings = await this.settings(name);
    if (settings !== undefined) return guard(settings);
    const { databases, turso, tursoMistakes } = this.#config;
    const others = [...databases.values(), ...(turso?.allSettings() ?? [])];
    return tursoMistakes.length > 0 || others.some(guard);
  }

  /**
   * Return what the retention policy is for databases of which there are backups. Those that are protected no
   * longer keep everything; where only names tell R2's lifecycle rules apart, they have none and are left out.
   *
   * @throws NightjarError `CATALOG_FAILED`
   */
  async policies(names: Iterable<string>): Promise<Policies> {
    const { databases, turso, tursoMistakes } = this.#config;
    const policies = new Map<string, StoredPolicy>(databases);
    const others = [...new Set(names)].filter((name) => !policies.has(name));
    if (turso === undefined) {
      if (tursoMistakes.length > 0)
        for (const name of others) policies.set(name, unknownPolicy(tursoMistakes));
      return policies;
    }
    for (let at = 0; at < others.length; at += BATCH)
      for (const row of await findDiscovered(this.#catalog, others.slice(at, at + BATCH))) {
        const gone = this.whyUnprotected(row) !== undefined;
        policies.set(row.name, { ...this.#settingsOf(row), gone });
      }
    const { retention, logMs } = longestAges([...databases.values(), ...turso.allSettings()]);
    for (const name of others)
      if (!policies.has(name)) policies.set(name, { retention, logMs, keepLast: 0, gone: true });
    return policies;
  }

  /** How long after its scheduled moment a database's run starts, ms. */
  runDelay({ name, schedule, spreadMs }: DatabaseConfig): number {
    if (spreadMs !== undefined) return spreadDelay(name, spreadMs);
    return startDelay(name, schedule, [...this.#config.databases.values()].map(scheduleOf));
  }

  /** How long after its scheduled moment a database's drill starts, ms. */
  drillDelay({ name, drill, spreadMs }: DatabaseConfig): number {
    if (spreadMs !== undefined) return spreadDelay(name, spreadMs);
    return startDelay(name, drill, [...this.#config.databases.values()].map(drillOf));
  }

  /** Return why a database that Turso lists is not protected under its name; undefined if it is. */
  whyUnprotected({ name, group, hostname, goneAt }: Discovered): Unprotected | undefined {
    if (goneAt !== null) return "gone";
    const own = this.#config.databases.get(name);
    if (own !== undefined) return new URL(own.url).host === hostname ? "configured" : "name-taken";
    if (this.#hosts.has(hostname)) return "configured";
    return this.#config.turso?.protects({ name, group });
  }

  /** Return the settings of a database that Turso lists; undefined unless `TURSO` protects it under its name. */
  protectedAs(row: Discovered): DatabaseConfig | undefined {
    if (this.#config.turso === undefined || this.whyUnprotected(row) !== undefined)
      return undefined;
    return this.#settingsOf(row);
  }

  /** Return the entry of `DATABASES` whose server is this host. */
  entryAt(host: string): DatabaseConfig | undefined {
    return this.#hosts.get(host);
  }

  async *#listed(after: string): AsyncIterable<DatabaseConfig> {
    if (this.#config.turso === undefined) return;
    for (let last = after; ;) {
      const rows = await discoveredAfter(this.#catalog, last, BATCH);
      for (const row of rows) {
        const settings = this.protectedAs(row);
        if (settings !== undefined) yield settings;
      }
      if (rows.length < BATCH) return;
      last = rows.at(-1)!.name;
    }
  }

  #settingsOf(row: Discovered): DatabaseConfig {
    const { group, firstSeenAt } = row;
    const settings = { ...this.#config.turso!.settingsOf(row), group, firstSeenAt };
    return row.readsBlocked ? blocked(settings) : settings;
  }
}

const scheduleOf = ({ schedule }: DatabaseConfig): string => schedule;
const drillOf = ({ drill }: DatabaseConfig): string => drill;

/** Return the policy of a database of which nothing is known while `TURSO` is wrong: nothing is deleted. */
function unknownPolicy(mistakes: readonly ConfigMistake[]): StoredPolicy {
  return { retention: DEFAULT_RETENTION, keepLast: 0, mistakes, agesUnknown: true };
}

/** Return the settings of a database that Turso refuses to read. */
function blocked(settings: DatabaseConfig): DatabaseConfig {
  const fix = `Turso blocks its reads: unblock them, or leave it out with \`exclude\``;
  return { ...settings, mistakes: [...settings.mistakes, { path: "TURSO", fix }] };
}

/** Compare names as the catalog does, by their bytes: names that Turso lists may have any letters. */
export function compareNames(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
