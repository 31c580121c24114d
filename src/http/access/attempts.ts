import { record } from "../../audit/record.ts";
import { NightjarError } from "../../errors/errors.ts";
import { ANONYMOUS } from "../../model/actor.ts";
import type { Detail } from "../../model/audit.ts";
import type { Context } from "../../worker/context.ts";

/** The network that a request comes from: whoever has one IPv6 address has all of its /64. */
export function addressOf(request: Request): string {
  return networkOf(request.headers.get("cf-connecting-ip") ?? "unknown");
}

/** Return an address of IPv4 as it is, and the /64 of one of IPv6. */
export function networkOf(address: string): string {
  return address.includes(":") ? `${firstHalf(address.toLowerCase())}::/64` : address;
}

function firstHalf(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array<string>(8 - groups.length - after.length).fill("0");
  const all = [...groups, ...zeros, ...after].slice(0, 4);
  return all.map((group) => group.replace(/^0+(?=.)/, "")).join(":");
}

/**
 * Refuse an address that has guessed too often, before anything is looked up for it.
 *
 * @throws NightjarError `TOO_MANY_ATTEMPTS`
 */
export function refuseBlocked({ attempts }: Context, request: Request): void {
  if (attempts.isBlocked(addressOf(request))) throw tooMany();
}

/**
 * Count a wrong token or link, and record it. Of an address that goes on guessing the first few are
 * recorded only: the audit is no place to fill.
 *
 * @throws NightjarError `TOO_MANY_ATTEMPTS`; `CATALOG_FAILED`
 */
export async function countFailed(
  context: Context,
  request: Request,
  detail: Detail,
): Promise<void> {
  const address = addressOf(request);
  if (!(await context.attempts.fail(address))) throw tooMany();
  const row = { by: ANONYMOUS, action: "authentication", outcome: "denied" } as const;
  await record(context, { ...row, detail: { ...detail, address } });
}

function tooMany(): NightjarError {
  return new NightjarError("TOO_MANY_ATTEMPTS", "Too many wrong tokens or links came from here.");
}
