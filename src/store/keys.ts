import { parseStamp, stamp } from "../plan/stamp.ts";
import { type Tier, TIERS } from "../plan/tier.ts";

/**
 * The grammar of keys in the bucket (docs/format.md):
 *
 *     <tier>/<database>/<yyyymmddThhmmssZ>-<id>.sql.zst     the bytes of a dump
 *     <tier>/<database>/<yyyymmddThhmmssZ>-<id>.db.zst      the bytes of a snapshot
 *     <either of these>.age                                 encrypted
 *     <tier>/<database>/<yyyymmddThhmmssZ>-<id>.json        the manifest
 *     <tier>/<database>/<yyyymmddThhmmssZ>-<id>.proof-<yyyymmddThhmmssZ>.json   what a proof found
 *     pinned/<any of these>                                 its copy, which no lifecycle rule takes
 */
export interface BackupName {
  readonly tier: Tier;
  readonly database: string;
  /** When the capture began, ms; keys keep whole seconds. */
  readonly takenAt: number;
  readonly id: string;
}

/** What lies under a key. */
export type StoredPart = "bytes" | "manifest" | "proof";

/** The beginning of the keys of all pinned copies. */
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

/** The beginning of the keys of all proofs that lie beside the manifest with this key. */
export function proofPrefix(manifest: string): string {
  return `${manifest.slice(0, -MANIFEST_SUFFIX.length)}.proof-`;
}

/**
 * @param manifest the key of the backup's manifest
 * @param at when the proof was made, ms; keys keep whole seconds
 */
export function proofKey(manifest: string, at: number): string {
  return `${proofPrefix(manifest)}${stamp(at)}${MANIFEST_SUFFIX}`;
}

/** Where the pinned copy of what lies under a backup's own key is. */
export function pinnedKey(key: string): string {
  return PINNED + key;
}

/** The backup's own key of what lies there, or under the key of its pinned copy. */
export function ownKey(key: string): string {
  return key.startsWith(PINNED) ? key.slice(PINNED.length) : key;
}

const KEY =
  /^(pinned\/)?([a-z]+)\/([a-z0-9][a-z0-9_-]{0,49})\/(\d{8}T\d{6}Z)-([0-9a-z]{12})\.((?:sql|db)\.zst(?:\.age)?|json|proof-\d{8}T\d{6}Z\.json)$/;

/** What a key of ours names. */
export interface ParsedKey extends BackupName {
  readonly part: StoredPart;
  /** Whether it is of a pinned copy. */
  readonly pinned: boolean;
}

/** What the key of a manifest of ours says of it. */
export function placeOf(key: string): ParsedKey & { readonly key: string } {
  return { ...parseKey(key)!, key };
}

/** What a key of ours names, or undefined for any other key. */
export function parseKey(key: string): ParsedKey | undefined {
  const [, pinned, tier, database, taken, id, suffix] = KEY.exec(key) ?? [];
  if (tier === undefined || !TIERS.includes(tier as Tier)) return undefined;
  const takenAt = parseStamp(taken!);
  if (takenAt === undefined) return undefined;
  const part = suffix === "json" ? "manifest" : suffix!.endsWith(".json") ? "proof" : "bytes";
  const name = { tier: tier as Tier, database: database!, takenAt, id: id! };
  return { ...name, part, pinned: pinned !== undefined };
}
