import { createHash } from "node:crypto";
import type { DatabaseConfig } from "../config/database.ts";
import { log } from "../core/log.ts";
import type { Context } from "../worker/context.ts";
import { post } from "./send.ts";

/** What a service in the form of healthchecks.io is told (https://healthchecks.io/docs/http_api/). */
export type Beat = "start" | "success" | "fail";

/**
 * Tell the outside service that Nightjar is alive: it raises the alarm when it is not told any more. A failure
 * is logged; the next minute tells again.
 */
export async function beatAlive(context: Context, beat: Beat, words: string): Promise<void> {
  await beatAt(context, "HEARTBEAT", beat, words, {});
}

/** Tell the outside service of a database how a run is doing. A failure is logged. */
export async function beatRun(
  context: Context,
  database: DatabaseConfig | undefined,
  beat: Beat,
  run: string,
  words: string,
): Promise<void> {
  const name = database?.heartbeatSecret;
  if (name !== undefined) await beatAt(context, name, beat, words, { rid: uuidOf(run) });
}

async function beatAt(
  context: Context,
  secret: string,
  beat: Beat,
  words: string,
  query: Readonly<Record<string, string>>,
): Promise<void> {
  const address = context.config.secret(secret);
  if (address === undefined) return;
  try {
    const url = new URL(address);
    if (beat !== "success") url.pathname = `${url.pathname.replace(/\/$/, "")}/${beat}`;
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    const headers = { "content-type": "text/plain; charset=utf-8" };
    const request = { url: url.href, body: words, headers };
    await post(context, `The heartbeat ${secret}`, request, [address]);
  } catch (thrown) {
    log.error("heartbeat-failed", thrown, { heartbeat: secret, beat });
  }
}

/** A UUID of a run's id (RFC 9562, version 8), by which its start and its end are put together. */
function uuidOf(run: string): string {
  const hex = createHash("sha256").update(run).digest("hex");
  const variant = "89ab"[Number.parseInt(hex[16]!, 16) & 3]!;
  return [
    ...[hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`],
    ...[`${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)],
  ].join("-");
}
