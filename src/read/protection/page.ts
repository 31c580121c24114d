import type { Freshness } from "../../plan/freshness.ts";
import type { Context } from "../../worker/context.ts";
import { fleetHealth } from "../health.ts";
import { entriesAfter, type Entry } from "./entries.ts";
import { wordsOf } from "./words.ts";

/** How a database is protected. */
export interface Coverage extends Entry {
  /** How its backups are; undefined if it is not protected. */
  readonly state: Freshness | undefined;
  /** One sentence for people: why, and what to do. */
  readonly words: string;
}

/** Names that are read at once, and by one request at most. */
const BATCH = 250;
const MOST = 1000;

/**
 * List how databases are protected, in the order of their names.
 *
 * @param after the last name of the page before
 * @param limit names of a page at most
 * @param isWanted which entries a page has; where it leaves some out, a page may have fewer names than `limit`
 * @returns `next`: the last name that was looked at; undefined on the last page
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function coveragePage(
  context: Context,
  after: string,
  limit: number,
  isWanted: (coverage: Coverage) => boolean,
): Promise<{ databases: Coverage[]; next: string | undefined }> {
  const databases: Coverage[] = [];
  let last = after;
  for (let [seen, names] = [0, 0]; seen < MOST; seen += BATCH) {
    const batch = await entriesAfter(context, last, BATCH);
    const judged = await judge(context, batch);
    for (const [at, entries] of judged.entries()) {
      const wanted = entries.filter(isWanted);
      last = entries[0]!.name;
      databases.push(...wanted);
      if (wanted.length > 0) names++;
      const isLast = at === judged.length - 1 && judged.length < BATCH;
      if (names === limit) return { databases, next: isLast ? undefined : last };
    }
    if (batch.length < BATCH) return { databases, next: undefined };
  }
  return { databases, next: last };
}

/** Return true for what somebody should look at: what is not protected, though Turso lists it, or not fresh. */
export function needsCare({ why, isProtected, state }: Coverage): boolean {
  if (why === "gone") return false;
  // What is protected under another name is there under that name.
  return !isProtected || (state !== "fresh" && why !== "configured");
}

/**
 * Count what is not protected, though it is configured or Turso lists it.
 *
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function countUnprotected(context: Context): Promise<number> {
  let count = 0;
  for (let last = ""; ;) {
    const batch = await entriesAfter(context, last, BATCH);
    const entries = batch.flat();
    count += entries.filter(({ why, isProtected }) => !isProtected && why !== "gone").length;
    if (batch.length < BATCH) return count;
    last = entries.at(-1)!.name;
  }
}

async function judge(
  context: Context,
  batch: readonly (readonly Entry[])[],
): Promise<Coverage[][]> {
  const configs = new Map(
    batch.flat().flatMap(({ settings }) => (settings ? [[settings.name, settings]] : [])),
  );
  const healths = await fleetHealth(context, [...configs.values()]);
  const { tursoMistakes } = context.config;
  return batch.map((entries) =>
    entries.map((entry) => {
      const state =
        healths.get(entry.settings?.name ?? "")?.state ??
        (entry.why === "misconfigured" ? entry.why : undefined);
      return { ...entry, state, words: wordsOf(entry, state, tursoMistakes) };
    }),
  );
}
