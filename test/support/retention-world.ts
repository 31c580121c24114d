import { expect } from "vitest";
import { recordProof } from "../../src/catalog/backups.ts";
import { openCatalog } from "../../src/catalog/open.ts";
import { type Config, parseDatabases } from "../../src/config/load.ts";
import { Fleet } from "../../src/worker/fleet.ts";
import { bytesKey } from "../../src/store/keys.ts";
import type { Context } from "../../src/worker/context.ts";
import { guardedBucket } from "../../src/worker/guarded-bucket.ts";
import { prune } from "../../src/jobs/retention/prune.ts";
import { pinBackup, unpinBackup } from "../../src/jobs/retention/pin.ts";
import { MemoryBudget } from "../../src/core/memory-budget.ts";
import { DAY, HOUR, MINUTE } from "../../src/plan/duration.ts";
import { lifecycleRules } from "../../src/plan/lifecycle.ts";
import { scheduledTier, TIERS } from "../../src/plan/tier.ts";
import { manifestKey, proofKey } from "../../src/store/keys.ts";
import { type Chance, chanceOf } from "./chance.ts";
import { failing, KilledError } from "./failing.ts";
import { type Ages, hasMerit, isKept, type Known, type NaivePolicy } from "./naive-retention.ts";
import { Vault } from "./retention-vault.ts";

export interface Kind {
  /** True if R2's lifecycle runs; then the Worker's clock may only be wrong by hours. */
  lifecycle: boolean;
  ages: readonly number[];
  /** Maximum number of consecutive nights on which prune may do nothing, or not everything. */
  badNights: number;
}

const BEGIN = Date.parse("2026-01-01T00:00:00Z");
const DATABASES = ["shop", "blog"] as const;
/** Maximum error of the Worker's clock while R2's lifecycle runs, ms. */
const SKEW = 2 * HOUR;
const PRUNE_AT = 3.5 * HOUR;

export class World {
  readonly #chance: Chance;
  readonly #kind: Kind;
  readonly #vault = new Vault(() => this.now);
  /** Backups that the policy dropped at some moment, or whose bytes are damaged. */
  readonly #excused = new Set<string>();
  /** The time since which a backup would outlive its age, by R2's clock. */
  readonly #meritSince = new Map<string, number>();
  #policies = new Map<string, NaivePolicy>();
  #config = this.#configured({});
  #deployed = lifecycleRules(new Map()).rules;
  /** R2's time, ms. */
  now = BEGIN;
  /** Error of the Worker's clock, ms. */
  #skew = 0;
  #bad = 0;
  #failingUntil = 0;
  made = 0;
  pinned = 0;
  pruned = 0;

  constructor(seed: number, kind: Kind) {
    this.#chance = chanceOf(seed);
    this.#kind = kind;
  }

  get clock(): number {
    return this.now + this.#skew;
  }

  #configured(entries: Record<string, object>) {
    const databases = parseDatabases(
      Object.fromEntries(
        Object.entries(entries).map(([name, retain]) => [name, { url: "http://x", retain }]),
      ),
    );
    return { databases, adminToken: "", signingKey: "", token: () => undefined };
  }

  #context(store: { bucket: unknown; db: unknown }): Context {
    const catalog = openCatalog(store.db as D1Database);
    const config = { ...this.#config, tursoMistakes: [] } as unknown as Config;
    return {
      config,
      fleet: new Fleet(config, catalog),
      catalog,
      bucket: guardedBucket(store.bucket as R2Bucket, catalog, "key"),
      deps: { now: () => this.clock },
      memory: new MemoryBudget(2 ** 40),
    } as unknown as Context;
  }

  /** Deploy a new policy as `npm run deploy` does: the Worker prunes by it before R2's rules follow. */
  async changePolicy(): Promise<void> {
    const entries: Record<string, object> = {};
    this.#policies = new Map();
    for (const name of DATABASES) {
      if (this.#policies.size > 0 && this.#chance.happens(0.15)) continue; // not configured
      const ages: Ages = {};
      const retain: Record<string, unknown> = {};
      for (const tier of TIERS) {
        if ((tier === "hourly" || tier === "yearly") && this.#chance.happens(0.5)) continue;
        const forever = this.#chance.happens(0.1);
        const age = forever ? Infinity : this.#chance.of(this.#kind.ages);
        ages[tier] = age;
        retain[tier] = forever ? "forever" : `${age / MINUTE}m`;
      }
      const keepLast = this.#chance.happens(0.5) ? 0 : 1 + this.#chance.below(6);
      if (keepLast > 0) retain["keep-last"] = keepLast;
      this.#policies.set(name, { ages, keepLast });
      entries[name] = retain;
    }
    this.#config = this.#configured(entries);
    this.#excuse();
    await this.prune("well");
    this.#deployed = lifecycleRules(this.#config.databases).rules;
  }

  async #backUp(): Promise<void> {
    const { of, happens, below } = this.#chance;
    const database = of(DATABASES);
    const retention = this.#config.databases.get(database)?.retention;
    if (retention === undefined || this.clock < this.#failingUntil) return;
    const own = this.#vault.alive().filter((other) => other.database === database);
    const previous = own.reduce<number | undefined>(
      (newest, { takenAt }) => (takenAt > (newest ?? 0) ? takenAt : newest),
      undefined,
    );
    const requested = happens(0.25);
    const tier = requested
      ? of(["manual", "deploy", "milestone", "dev"] as const)
      : scheduledTier(this.clock, previous, retention);
    const id = `${(this.made++).toString(36).padStart(6, "0")}${below(2 ** 30)
      .toString(36)
      .padStart(6, "0")}`.slice(0, 12);
    const name = { id, database, tier, takenAt: this.clock };
    const key = bytesKey(name, "dump");
    const backup: Known = { ...name, key, verification: null, pin: null };
    await this.#vault.store(backup);
  }

  /** End a verify of any backup, however old; its first outcome may not be its last. */
  async #verify(): Promise<void> {
    const backup = this.#chance.of(this.#vault.alive());
    if (backup === undefined) return;
    const outcome = this.#chance.happens(0.8) ? "verified" : "corrupt";
    const at = new Date(this.clock).toISOString();
    const key = proofKey(manifestKey(backup), this.clock);
    await this.#vault.bucket.put(key, "{}");
    const summary = { outcome, at, proofKey: key, problem: null, recoveryMs: null } as const;
    await recordProof(this.#context(this.#vault).catalog, backup.id, "verify", summary);
    backup.verification = outcome;
  }

  /** Damage bytes in the bucket without a trace. */
  async #rot(): Promise<void> {
    const backup = this.#chance.of(this.#vault.alive());
    if (backup === undefined) return;
    for (const key of this.#vault.placesOf(backup))
      if (this.#vault.bucket.objects.has(key)) await this.#vault.bucket.put(key, "rotten");
    this.#excused.add(backup.id);
  }

  async #pinByHand(): Promise<void> {
    const backup = this.#chance.of(this.#vault.alive());
    if (backup === undefined) return;
    const store = this.#chance.happens(0.7) ? this.#vault : this.#failing();
    const context = this.#context(store);
    if (backup.pin === "user")
      await unpinBackup(context, backup.id).catch(() => this.#excused.add(backup.id));
    else await pinBackup(context, backup.id, "user", "-").catch(() => this.#excused.add(backup.id));
    this.#vault.readCatalog();
  }

  /** Make R2 or D1 fail once, or kill the Worker, at a random call. */
  #failing() {
    const { of, below, happens } = this.#chance;
    const real = { BUCKET: this.#vault.bucket, DB: this.#vault.db } as unknown as {
      BUCKET: R2Bucket;
      DB: D1Database;
    };
    const error = happens(0.7) ? () => new KilledError() : () => new Error("injected");
    return failing(real, of(["bucket", "db"] as const), 1 + below(20), error);
  }

  /** Prune and check the result. @returns true if everything was done */
  async prune(how: "well" | "badly"): Promise<boolean> {
    const before = this.#vault.alive();
    const now = this.clock;
    const there = before.filter((backup) => this.#vault.isThere(backup));
    const kept = there.filter((backup) => isKept(backup, there, this.#policies, now));
    const copies = new Set(this.#vault.copies());
    const context = this.#context(how === "well" ? this.#vault : this.#failing());
    let done = false;
    try {
      const { failures } = await prune(context, now, false);
      done = failures.length === 0;
      if (how === "well")
        for (const { backup, error } of failures)
          expect([error.code, this.#excused.has(backup.id)]).toEqual(["OBJECT_CORRUPT", true]);
    } catch (error) {
      if (how === "well") throw error;
    }
    this.#vault.readCatalog();
    for (const backup of kept) this.#mustBeThere(backup, "a prune has removed it");
    if (!done) return false;
    this.pruned++;

    const keys = [...this.#vault.bucket.objects.keys()];
    for (const backup of there) {
      if (kept.includes(backup)) continue;
      expect(this.#vault.known.has(backup.id), `${backup.id} is in the catalog still`).toBe(false);
      expect(keys.filter((key) => key.includes(backup.id))).toEqual([]);
    }
    for (const id of this.#vault.copies()) {
      const backup = this.#vault.known.get(id);
      expect(backup, `a copy of nothing: ${id}`).toBeDefined();
      if (copies.has(id) || backup!.pin === "user") continue;
      this.pinned++;
      const { ages, keepLast } = this.#policies.get(backup!.database)!;
      const age = ages[backup!.tier]!;
      expect(hasMerit(backup!, kept, { ages, keepLast })).toBe(true);
      expect(now, "copied too soon").toBeGreaterThanOrEqual(
        backup!.takenAt + Math.max(age, 4 * DAY) - 7 * DAY,
      );
    }
    return true;
  }

  async day(): Promise<void> {
    const { happens, below, of } = this.#chance;
    const { lifecycle, badNights } = this.#kind;
    const midnight = this.now;
    if (happens(0.02)) this.#failingUntil = this.clock + below(80) * DAY;
    if (happens(0.1))
      this.#skew = lifecycle ? (below(5) - 2) * (SKEW / 2) : of([0, -1, 1]) * below(400) * DAY;
    if (happens(0.01)) await this.changePolicy();

    const moments = Array.from({ length: below(4) }, () => below(24 * HOUR)).toSorted(
      (a, b) => a - b,
    );
    let hasPruned = false;
    const night = async () => {
      hasPruned = true;
      this.now = midnight + PRUNE_AT;
      this.#step();
      const good = this.#bad >= badNights || happens(0.6);
      this.#bad = good ? 0 : this.#bad + 1;
      if (good) await this.prune("well");
      else if (happens(0.6)) await this.prune("badly");
    };
    for (const moment of moments) {
      if (moment > PRUNE_AT && !hasPruned) await night();
      this.now = midnight + moment;
      await this.#backUp();
      if (happens(0.3)) await this.#verify();
      if (happens(0.03)) await this.#pinByHand();
      if (happens(0.002)) await this.#rot();
    }
    if (!hasPruned) await night();
    this.now = midnight + DAY;
    this.#step();
  }

  /** Let time pass; nothing that the policy keeps may be missing. */
  #step(): void {
    if (!this.#kind.lifecycle) return;
    this.#excuse();
    this.#vault.live(this.#deployed, this.#chance);
    const patience = (this.#kind.badNights + 1.3) * DAY;
    for (const backup of this.#vault.alive()) {
      const ages: Ages = this.#policies.get(backup.database)?.ages ?? {};
      // A backup that became the last good one just now, at the end of its age, has not been seen by a prune
      // yet.
      const since = this.#meritSince.get(backup.id) ?? this.now;
      // An age ends by R2's clock, and the Worker's clock can differ from it at both ends.
      const inItsAge = this.clock - backup.takenAt < (ages[backup.tier] ?? Infinity) - 2 * SKEW;
      if (!inItsAge && this.now - since < patience) continue;
      this.#mustBeThere(backup, "the lifecycle has taken it");
    }
  }

  /** Record which backups the policy drops now, and since when each backup would outlive its age. */
  #excuse(): void {
    const all = this.#vault.alive();
    for (const backup of all) {
      const { id, database } = backup;
      if (!isKept(backup, all, this.#policies, this.clock)) this.#excused.add(id);
      const policy = this.#policies.get(database);
      const merit = policy === undefined || hasMerit(backup, all, policy);
      if (!merit) this.#meritSince.delete(id);
      else if (!this.#meritSince.has(id)) this.#meritSince.set(id, this.now);
    }
  }

  /** Expect a backup in the catalog, and in the bucket where the catalog says it is. */
  #mustBeThere(backup: Known, why: string): void {
    if (this.#excused.has(backup.id)) return;
    if (
      this.#vault.known.has(backup.id) &&
      this.#vault.bucket.objects.has(this.#vault.keys.get(backup.id)!)
    )
      return;
    const days = (this.clock - backup.takenAt) / DAY;
    throw new Error(`${why}: ${JSON.stringify(backup)}, ${days} days old`);
  }
}
