import { DATABASE_NAME } from "../plan/names/database-name.ts";
import { parseStamp, stamp } from "../plan/stamp.ts";
import { type Tier, TIERS } from "../plan/tier.ts";

/**
 * The grammar of keys in the bucket (docs/format.md):
 *
 *     <tier>/<database>/<yyyymmddThhmmssZ>-<id>.sql.zst     the bytes of a dump
 *     <tier>/<database>/<yyyymmddThhmmssZ>-<id>.db.zst      the bytes of a snapshot
 *     <either of these>.age                                 encrypted
 *     <tier>/<database>/<yyyymmddThhmmssZ>-<id>.json        the manifest
 *     <tier>/<database>/<yyyymmddThhmmssZ>-<id>.proof-<yyyymmddThhmmssZ>.json   the result of a proof
 *     pinned/<any of these>                                 its copy, which no lifecycle rule deletes
 */
export interface BackupName {
  readonly tier: Tier;
  readonly database: string;
  /** Time at which the capture began, ms; keys keep whole seconds. */
  readonly takenAt: number;
  readonly id: string;
}

/** The kind of an object of a backup. */
export type StoredPart = "bytes" | "manifest" | "proof";

/** The prefix of the keys of all pinned copies. */
export const PINNED = "pinned/";

const SUFFIXES = { dump: ".sql.zst", snapshot: ".db.zst" } as const;
const MANIFEST_SUFFIX = ".json";

function stem({ tier, database, takenAt, id }: BackupName): string {
  return `${tier}/${database}/${stamp(takenAt)}-${id}`;
}

export function bytesKey(
  name: BackupName,
  kind: keyof typeof SUFFIXES,
  encrypted: boolean = false,
): string {
  return stem(name) + SUFFIXES[kind] + (encrypted ? ".age" : "");
}

export function manifestKey(name: BackupName): string {
  return stem(name) + MANIFEST_SUFFIX;
}

/** Return the prefix of the keys of all proofs of the backup whose manifest has this key. */
export function proofPrefix(manifest: string): string {
  return `${manifest.slice(0, -MANIFEST_SUFFIX.length)}.proof-`;
}

/**
 * Return the key of a proof.
 *
 * @param manifest the key of the backup's manifest
 * @param at time of the proof, ms; keys keep whole seconds
 */
export function proofKey(manifest: string, at: number): string {
  return `${proofPrefix(manifest)}${stamp(at)}${MANIFEST_SUFFIX}`;
}

/** Return the key of the pinned copy of an object, given the backup's own key. */
export function pinnedKey(key: string): string {
  return PINNED + key;
}

/** Return the backup's own key of an object, given that key or the key of its pinned copy. */
export function ownKey(key: string): string {
  return key.startsWith(PINNED) ? key.slice(PINNED.length) : key;
}

const KEY = new RegExp(
  String.raw`^(pinned/)?([a-z]+)/(${DATABASE_NAME})/(\d{8}T\d{6}Z)-([0-9a-z]{12})\.((?:sql|db)\.zst(?:\.age)?|json|proof-\d{8}T\d{6}Z\.json)$`,
);

/** The parts of a key of Nightjar's. */
export interface ParsedKey extends BackupName {
  readonly part: StoredPart;
  /** True for an object of a pinned copy. */
  readonly pinned: boolean;
}

/** Return the facts that the key of a manifest of Nightjar's determines. */
export function placeOf(key: string): ParsedKey & { readonly key: string } {
  return { ...parseKey(key)!, key };
}

/** Parse a key of Nightjar's; undefined for any other key. */
export function parseKey(key: string): ParsedKey | undefined {
  const [, pinned, tier, database, taken, id, suffix] = KEY.exec(key) ?? [];
  if (tier === undefined || !TIERS.includes(tier as Tier)) return undefined;
  const takenAt = parseStamp(taken!);
  if (takenAt === undefined) return undefined;
  const part = suffix === "json" ? "manifest" : suffix!.endsWith(".json") ? "proof" : "bytes";
  const name = { tier: tier as Tier, database: database!, takenAt, id: id! };
  return { ...name, part, pinned: pinned !== undefined };
}
