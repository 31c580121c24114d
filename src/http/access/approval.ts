import { createHmac } from "node:crypto";
import type { Context as HonoContext } from "hono";
import { record } from "../../audit/record.ts";
import {
  type Approval,
  enterApproval,
  openApproval,
  useApproval,
} from "../../catalog/access/approvals.ts";
import { findToken } from "../../catalog/access/tokens.ts";
import type { Catalog } from "../../catalog/open.ts";
import { randomId } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { Action } from "../../model/audit.ts";
import { HOUR } from "../../plan/duration.ts";
import { giveNotice } from "../../notify/notice.ts";
import type { Context } from "../../worker/context.ts";
import type { HttpEnv } from "../hono-env.ts";
import { note } from "./needs.ts";

/** Time in which a request must be granted and carried out, ms. */
const VALID = HOUR;

/** An act that a second person must approve where it concerns a protected database. */
interface Critical {
  readonly action: Action;
  /** The databases that it concerns, protected or not. */
  readonly databases: readonly string[];
  /** What is asked for, for people. It must not hold a secret. */
  readonly summary: string;
  /** All that the act depends on. The approval is for exactly this. */
  readonly request: unknown;
}

/**
 * Let an act on a protected database through only with the approval of a second person. The first request
 * is entered; the same one, sent again by the same caller, goes through once it is granted.
 *
 * @throws NightjarError `APPROVAL_REQUIRED` with the approval's id in `approval`; `CATALOG_FAILED`
 */
export async function requireApproval(c: HonoContext<HttpEnv>, act: Critical): Promise<void> {
  const { catalog, config, deps, fleet } = c.env;
  const databases: string[] = [];
  for (const name of act.databases) if (await fleet.needsApproval(name)) databases.push(name);
  if (databases.length === 0) return;
  const digest = digestOf(config.signingKey, act);
  const caller = c.get("caller");
  const open = await openApproval(catalog, digest, caller.id, deps.now());
  if (open?.granted === true && (await useApproval(catalog, open.id, deps.now()))) {
    const { id, requestedByName, decidedBy, decidedByName } = open;
    note(c, { approval: id, requestedByName, grantedBy: decidedBy, grantedByName: decidedByName });
    return;
  }
  const { id, expiresAt } = open ?? (await enter(c, { ...act, databases }, digest));
  throw new NightjarError(
    "APPROVAL_REQUIRED",
    `${databases.join(", ")} is protected: a second person must grant this (${id}) before ${new Date(expiresAt).toISOString()}.`,
    { facts: { approval: id } },
  );
}

async function enter(
  c: HonoContext<HttpEnv>,
  { action, databases, summary }: Critical,
  digest: string,
): Promise<{ id: string; expiresAt: number }> {
  const { catalog, deps } = c.env;
  const by = c.get("caller");
  const requestedAt = deps.now();
  const made = { id: randomId(deps), expiresAt: requestedAt + VALID };
  await enterApproval(catalog, {
    ...{ ...made, action, databases: [...databases], summary, digest, requestedAt },
    ...{ requestedBy: by.id, requestedByName: by.name },
  });
  await record(c.env, {
    ...{ by, action: "approval", outcome: "started", subject: made.id },
    ...(databases.length === 1 && { database: databases[0] }),
    detail: { act: action, databases: [...databases], summary },
  });
  await giveNotice(c.env, {
    ...{ rule: "approval-requested", severity: "warning", subject: made.id },
    database: databases.length === 1 ? databases[0]! : null,
    summary: `${by.name} asks to ${summary}, and a second person must grant it before ${new Date(made.expiresAt).toISOString()}.`,
    hint: `Grant it with \`nightjar approval grant ${made.id}\`, or deny it with \`nightjar approval deny ${made.id}\`.`,
  });
  return made;
}

/** An HMAC, as a request may hold what is personal, such as the key of an erasure. */
function digestOf(key: string, { action, request }: Critical): string {
  const text = JSON.stringify(["nightjar", "approval", action, request]);
  return createHmac("sha256", key).update(text).digest("base64url");
}

function invalid(message: string): NightjarError {
  return new NightjarError("APPROVAL_INVALID", message);
}

/** The state of an approval, in a word. */
export function stateOf({ granted, usedAt, expiresAt }: Approval, now: number) {
  if (usedAt !== null) return "used" as const;
  if (granted === false) return "denied" as const;
  if (expiresAt <= now) return "expired" as const;
  return granted === null ? ("waiting" as const) : ("granted" as const);
}

/**
 * Refuse whoever is no second person: the one who asked, a token that this one has made, also by another
 * token, who made the token that asked, and a token that is younger than the request.
 *
 * @throws NightjarError `APPROVAL_INVALID`, `CATALOG_FAILED`
 */
export async function refuseSamePerson(
  { catalog }: Context,
  { id, requestedBy, requestedAt }: Approval,
  by: string,
): Promise<void> {
  const same = invalid(
    `Approval ${id} needs a second person: not who asked, nor a token that they made.`,
  );
  if (by === requestedBy) throw same;
  // Nor who made the token that asked: both are in one hand. Who holds ADMIN_TOKEN makes everybody's token.
  if (by !== "root" && (await makersOf(catalog, requestedBy)).includes(by)) throw same;
  for (let actor = by; actor.startsWith("token:");) {
    const maker = await findToken(catalog, actor.slice("token:".length));
    if (maker === undefined) return;
    if (maker.createdAt > requestedAt) throw same;
    // Who holds ADMIN_TOKEN makes everybody's token.
    if (maker.createdBy === requestedBy && requestedBy !== "root") throw same;
    actor = maker.createdBy;
  }
}

/** Return who made a token, who made the maker's, and so on; none for anybody else. */
async function makersOf(catalog: Catalog, who: string): Promise<string[]> {
  const makers: string[] = [];
  for (let actor = who; actor.startsWith("token:");) {
    const token = await findToken(catalog, actor.slice("token:".length));
    if (token === undefined) break;
    actor = token.createdBy;
    makers.push(actor);
  }
  return makers;
}
