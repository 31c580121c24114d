import { followOf } from "../../catalog/follows.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import { MINUTE } from "../../plan/duration.ts";
import { followPause } from "../../plan/follow-pace.ts";
import type { Context } from "../../worker/context.ts";

/** Delay after which a silent follower is woken, ms. */
const SILENCE = 2 * MINUTE;

/**
 * Wake the followers of some databases that never started or have fallen silent; others wake themselves.
 *
 * @param names the databases; those that are not followed have none
 * @param now ms
 * @throws the first error, after every database has had its turn
 */
export async function wakeFollowers(
  context: Context,
  names: readonly string[],
  now: number,
): Promise<void> {
  const errors: unknown[] = [];
  for (const database of (await context.fleet.findAll(names)).values())
    await wakeIfSilent(context, database, now).catch((thrown: unknown) => errors.push(thrown));
  if (errors.length > 0) throw errors[0];
}

async function wakeIfSilent(
  { catalog, followers }: Context,
  { name, followMs }: DatabaseConfig,
  now: number,
): Promise<void> {
  if (followMs === undefined) return;
  const follow = await followOf(catalog, name);
  const pause = follow && followPause(followMs, follow.idle, follow.failures);
  if (follow === undefined || now > follow.triedAt + pause! + SILENCE) await followers.follow(name);
}
