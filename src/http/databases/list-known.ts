import { storedAfter, storedAmong } from "../../catalog/fleet/stored.ts";
import type { Rights } from "../../plan/access.ts";
import type { Context } from "../../worker/context.ts";
import type { KnownDatabase } from "../configured.ts";
import { compareNames } from "../../worker/fleet.ts";

/**
 * List up to `limit` databases that a caller reaches and whose names come after `after`, in the order of the
 * names: those that are protected, and those that are not any more and have backups.
 *
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function listKnown(
  { catalog, fleet }: Context,
  { databases: own }: Rights,
  after: string,
  limit: number,
): Promise<KnownDatabase[]> {
  const known = new Map<string, KnownDatabase>();
  const isNext = (name: string) => compareNames(name, after) > 0;
  const [configs, stored] = await (own === undefined
    ? Promise.all([fleet.page(after, limit), storedAfter(catalog, after, limit)])
    : Promise.all([
        fleet.findAll(own.filter(isNext)).then((found) => [...found.values()]),
        storedAmong(catalog, own.filter(isNext)),
      ]));
  for (const name of stored) known.set(name, { name, config: undefined });
  for (const config of configs) known.set(config.name, { name: config.name, config });
  // What is protected on this page is among `configs`: those come by their names too.
  return [...known.values()].toSorted((a, b) => compareNames(a.name, b.name)).slice(0, limit);
}
