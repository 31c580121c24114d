import { type Discovered, discoveredAfter } from "../../catalog/fleet/discovered.ts";
import { type DatabaseConfig, isMisconfigured } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { compareNames, type Unprotected } from "../../worker/fleet.ts";

/** Why a database is not protected, or not under its own name. */
export type Why = Unprotected | "misconfigured";

/** A database of `DATABASES`, or one that Turso lists or did list. */
export interface Entry {
  readonly name: string;
  readonly origin: "DATABASES" | "TURSO";
  /** Turso's group; undefined where Turso does not list it. */
  readonly group: string | undefined;
  readonly hostname: string;
  readonly why: Why | undefined;
  readonly isProtected: boolean;
  /** The settings by which it is protected, perhaps under another name; undefined if it is not. */
  readonly settings: DatabaseConfig | undefined;
  /** Since when Turso lists it no longer, ms; undefined if it does. */
  readonly goneAt: number | undefined;
}

/**
 * Return the entries of up to `limit` names that come after `after`, in the order of the names. A name has two
 * where an entry of `DATABASES` has the name of another database that Turso lists.
 *
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function entriesAfter(
  context: Context,
  after: string,
  limit: number,
): Promise<(readonly Entry[])[]> {
  const { catalog, config } = context;
  const isRead = config.turso !== undefined || config.tursoMistakes.length > 0;
  const rows = isRead ? await discoveredAfter(catalog, after, limit) : [];
  const listed = new Map(rows.map((row) => [row.name, row]));
  const named = [...config.databases.keys()].filter((name) => name > after);
  const names = [...new Set([...named, ...listed.keys()])].toSorted(compareNames);
  return names.slice(0, limit).map((name) => entriesOf(context, name, listed.get(name)));
}

function entriesOf(context: Context, name: string, row: Discovered | undefined): Entry[] {
  const own = context.config.databases.get(name);
  const entry = row && entryOfRow(context, row);
  if (own === undefined) return entry === undefined ? [] : [entry];
  const hostname = new URL(own.url).host;
  const isSame = row?.hostname === hostname;
  const isWrong = isMisconfigured(own);
  const first: Entry = {
    ...{ name, origin: "DATABASES", hostname, settings: own, goneAt: undefined },
    group: isSame ? row.group : undefined,
    ...{ why: isWrong ? "misconfigured" : undefined, isProtected: !isWrong },
  };
  return entry === undefined || isSame ? [first] : [first, entry];
}

function entryOfRow({ fleet }: Context, row: Discovered): Entry {
  const { name, group, hostname } = row;
  const found = fleet.whyUnprotected(row);
  const settings = found === "configured" ? fleet.entryAt(hostname) : fleet.protectedAs(row);
  // With a mistake in TURSO nobody knows what it protects, and nothing has settings by it.
  const isProtected = settings !== undefined && !isMisconfigured(settings);
  const why: Why | undefined = found ?? (isProtected ? undefined : "misconfigured");
  const facts = { name, group, hostname, why, isProtected, settings };
  return { ...facts, origin: "TURSO", goneAt: row.goneAt ?? undefined };
}
