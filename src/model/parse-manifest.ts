import * as v from "valibot";
import type { Manifest } from "./manifest.ts";
import { stamp } from "../plan/stamp.ts";
import { type Tier, TIERS } from "../plan/tier.ts";
import {
  content,
  count,
  databaseName,
  id,
  lineageId,
  misfit,
  moment,
  parseDocument,
  sha256,
  text,
} from "./document.ts";
import { pageCursor } from "./parse-page-cursor.ts";

const method = v.looseObject({
  protocol: v.picklist(["pull-updates", "sync", "replica", "dbpage", "rows", "dump"]),
  image: v.boolean(),
  why: text,
});

const snapshot = v.looseObject({
  method,
  pageSize: v.pipe(
    v.number(),
    v.check((size) => size >= 512 && size <= 65_536 && Number.isInteger(Math.log2(size))),
  ),
  pageCount: v.pipe(count, v.minValue(1), v.maxValue(2 ** 32)),
  committedAt: moment,
  log: v.nullable(v.looseObject({ lineage: lineageId, txid: v.pipe(count, v.minValue(1)) })),
  cursor: v.nullable(pageCursor),
  journal: v.picklist(["wal", "rollback"]),
  spotCheck: v.optional(v.looseObject({ pages: count, why: v.nullable(text) })),
});

const schema = v.looseObject({
  format: v.literal(1),
  nightjar: text,
  id,
  database: databaseName,
  tier: v.picklist(TIERS),
  name: v.nullable(text),
  labels: v.record(v.string(), v.string()),
  runId: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  trigger: v.picklist(["cron", "api", "deploy"]),
  run: v.looseObject({ attempt: count, queuedAt: moment, startedAt: moment }),
  scheduledFor: v.nullable(moment),
  takenAt: moment,
  finishedAt: moment,
  manifestKey: text,
  key: text,
  pin: v.optional(v.looseObject({ by: v.picklist(["policy", "user"]), reason: text, at: moment })),
  kind: v.picklist(["dump", "snapshot"]),
  raw: content,
  stored: content,
  encryption: v.optional(
    v.looseObject({
      format: v.literal("age"),
      recipients: v.pipe(v.array(text), v.minLength(1)),
      content,
    }),
  ),
  source: v.looseObject({
    url: text,
    namespace: v.nullable(text),
    version: v.nullable(text),
    unknown: v.array(text),
  }),
  snapshot: v.nullable(snapshot),
  method: v.optional(method),
  schema: v.looseObject({
    hash: sha256,
    userVersion: v.nullable(v.pipe(v.number(), v.safeInteger())),
    migration: v.nullable(v.looseObject({ table: text, name: v.string() })),
  }),
  tables: v.array(v.looseObject({ name: v.string(), rows: v.nullable(count) })),
  rows: count,
  warnings: v.array(v.looseObject({ code: text, where: v.string(), count, message: v.string() })),
});

/** The facts that the key of a manifest determines. */
export interface ManifestPlace {
  readonly key: string;
  readonly tier: Tier;
  readonly database: string;
  readonly id: string;
  /** Time at which the capture began, ms, in whole seconds. */
  readonly takenAt: number;
  /** True for the manifest of a pinned copy. */
  readonly pinned: boolean;
}

/**
 * Parse a manifest, and check that it matches its own key.
 *
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function parseManifest(json: string, place: ManifestPlace): Manifest {
  const { key } = place;
  const manifest = parseDocument<Manifest>("a manifest", key, json, schema);
  const refuse = (field: string) => misfit("the manifest of its key", key, `its ${field} differs`);
  for (const field of ["database", "id", "tier"] as const)
    if (manifest[field] !== place[field]) throw refuse(field);
  if (stamp(Date.parse(manifest.takenAt)) !== stamp(place.takenAt)) throw refuse("takenAt");
  if (manifest.manifestKey !== key) throw refuse("manifestKey");
  if ((manifest.pin !== undefined) !== place.pinned) throw refuse("pin");
  if ((manifest.snapshot !== null) !== (manifest.kind === "snapshot")) throw refuse("kind");
  const suffix = manifest.kind === "dump" ? ".sql.zst" : ".db.zst";
  const age = manifest.encryption === undefined ? "" : ".age";
  if (manifest.key !== key.replace(/\.json$/, suffix + age)) throw refuse("key");
  return manifest;
}
