import { createHash } from "node:crypto";
import { enterBackup } from "../../src/catalog/backups.ts";
import { openCatalog } from "../../src/catalog/open.ts";
import type { Manifest, Pin } from "../../src/model/manifest.ts";
import { DAY } from "../../src/plan/duration.ts";
import type { LifecycleRule } from "../../src/plan/lifecycle.ts";
import { manifestText } from "../../src/store/document.ts";
import { manifestKey, parseKey, pinnedKey } from "../../src/store/keys.ts";
import type { Chance } from "./chance.ts";
import { MemoryBucket, MemoryDatabase } from "./memory-cloud.ts";
import type { Known } from "./naive-retention.ts";

/**
 * The storage of a world: the bucket with its lifecycle, the catalog, and the test's own knowledge of both.
 */
export class Vault {
  readonly bucket: MemoryBucket;
  readonly db = new MemoryDatabase();
  readonly known = new Map<string, Known>();
  /** The key of each backup's bytes, according to the catalog. */
  keys = new Map<string, string>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
    this.bucket = new MemoryBucket(now);
  }

  async store(backup: Known): Promise<void> {
    const bytes = new TextEncoder().encode(`the bytes of ${backup.id}`);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const { id, database, tier } = backup;
    const at = new Date(backup.takenAt).toISOString();
    const content = { bytes: bytes.length, sha256 };
    const manifest: Manifest = {
      ...{ format: 1, nightjar: "0.1.0", id, database, tier, name: null, labels: {} },
      ...{ runId: id, trigger: "cron", run: { attempt: 1, queuedAt: at, startedAt: at } },
      ...{ scheduledFor: null, takenAt: at, finishedAt: at, kind: "dump" },
      ...{ key: backup.key, manifestKey: manifestKey(backup), raw: content, stored: content },
      source: { url: "http://x", namespace: null, version: null, unknown: [] },
      schema: { hash: sha256, userVersion: null, migration: null },
      ...{ snapshot: null, tables: [], rows: 0, warnings: [] },
    };
    await this.bucket.put(manifest.key, bytes);
    await this.bucket.put(manifest.manifestKey, manifestText(manifest));
    await enterBackup(openCatalog(this.db as unknown as D1Database), manifest);
    this.known.set(id, backup);
    this.keys.set(id, manifest.key);
  }

  /** Delete what the rules say, as R2 does: up to a day late, object by object. */
  live(rules: readonly LifecycleRule[], chance: Chance): void {
    for (const [key, { uploaded }] of this.bucket.objects)
      for (const { conditions, deleteObjectsTransition } of rules) {
        if (deleteObjectsTransition === undefined || !key.startsWith(conditions.prefix)) continue;
        const overdue = this.#now() - uploaded - deleteObjectsTransition.condition.maxAge * 1000;
        if (overdue >= DAY || (overdue >= 0 && chance.happens(0.4)))
          this.bucket.objects.delete(key);
      }
  }

  /** List the keys where a backup's bytes may be. */
  placesOf(backup: Known): string[] {
    return [backup.key, pinnedKey(backup.key)];
  }

  isThere(backup: Known): boolean {
    return this.placesOf(backup).some((key) => this.bucket.objects.has(key));
  }

  /** List the ids of all complete copies. */
  copies(): string[] {
    return [...this.bucket.objects.keys()].flatMap((key) => {
      const name = parseKey(key);
      return name?.pinned === true && name.part === "manifest" ? [name.id] : [];
    });
  }

  alive(): Known[] {
    return [...this.known.values()];
  }

  /** Read the catalog: the backups, their keys, and the holders of their pins. */
  readCatalog(): void {
    const rows = this.db.sqlite
      .prepare(
        "SELECT id, manifest ->> '$.key' AS key, manifest ->> '$.pin.by' AS pin FROM backups",
      )
      .all() as { id: string; key: string; pin: Pin["by"] | null }[];
    this.keys = new Map(rows.map(({ id, key }) => [id, key]));
    const pins = new Map(rows.map(({ id, pin }) => [id, pin]));
    for (const backup of this.alive()) {
      const pin = pins.get(backup.id);
      if (pin === undefined) this.known.delete(backup.id);
      else backup.pin = pin;
    }
  }
}
