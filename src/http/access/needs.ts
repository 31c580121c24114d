import type { Context as HonoContext } from "hono";
import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import { record } from "../../audit/record.ts";
import { findBackup, noSuchBackup } from "../../catalog/backups.ts";
import { databaseOf, findLink, noSuchLink } from "../../catalog/access/links.ts";
import { findRun, noSuchRun } from "../../catalog/runs.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { Caller } from "../../model/actor.ts";
import type { Action, Detail } from "../../model/audit.ts";
import { hasScope, reaches, type Scope } from "../../plan/access.ts";
import type { Context } from "../../worker/context.ts";
import { asHttpError } from "../as-http-error.ts";
import { noSuchDatabase } from "../configured.ts";
import type { HttpEnv, Recording } from "../hono-env.ts";
import { identify } from "./identify.ts";

/**
 * What the first parameter of a route's path names. `all`: the route concerns all databases, and a token
 * that is limited to some may not use it. `own`: its handler answers with what the caller reaches.
 */
export type Names = "database" | "backup" | "run" | "link" | "all" | "own";

/** What a route needs of its caller. */
export interface Need {
  readonly scope: Scope;
  readonly names: Names;
  /** The act that is recorded; undefined for a route that only tells. */
  readonly action: Action | undefined;
}

const NEED = Symbol("need");

/** Find what a handler needs, if it is one that `needs` has made. */
export function needOf(handler: unknown): Need | undefined {
  return (handler as { [NEED]?: Need })[NEED];
}

/**
 * Identify the caller of every request. A route that does not say what it needs is not there.
 *
 * @throws NightjarError as `identify`; `NOT_FOUND`
 */
export const authenticate = createMiddleware<HttpEnv>(async (c, next) => {
  c.set("caller", await identify(c.env, c.req.raw));
  if (!matchedRoutes(c).some(({ handler }) => needOf(handler) !== undefined))
    throw new NightjarError("NOT_FOUND", "There is nothing at this address.");
  await next();
});

/**
 * Let through who has the scope and reaches the database, and record the act with its outcome. What a
 * caller does not reach is refused in the words for what is not there.
 *
 * @throws NightjarError `FORBIDDEN`, `DATABASE_NOT_FOUND`, `BACKUP_NOT_FOUND`, `RUN_NOT_FOUND`,
 *   `NOT_FOUND`; `CATALOG_FAILED`, also if the act was done and could not be recorded
 */
export function needs(scope: Scope, names: Names, action?: Action) {
  const middleware = createMiddleware<HttpEnv>(async (c, next) => {
    const caller = c.get("caller");
    const parameters: Record<string, string> = c.req.param();
    const [given = ""] = Object.values(parameters);
    const subject = ["backup", "run", "link"].includes(names) ? given : undefined;
    c.set("recording", { by: caller, action, subject, database: undefined, recorded: false });
    try {
      refuseScope(caller, scope);
      const database = await reached(c.env, caller, names, given, action !== undefined);
      c.set("recording", { ...c.get("recording"), database });
    } catch (thrown) {
      const { code } = asHttpError(thrown);
      if (action !== undefined && code !== "CATALOG_FAILED")
        await record(c.env, {
          ...{ by: caller, action, subject },
          outcome: "denied",
          detail: { code },
        });
      throw thrown;
    }
    await next();
    const { recorded, detail, ...act } = c.get("recording");
    if (action === undefined || recorded) return;
    const error = c.error && asHttpError(c.error);
    const outcome = error === undefined ? "done" : "failed";
    const facts = { ...detail, ...(error && { code: error.code }) };
    await record(c.env, { ...act, action, outcome, detail: facts });
  });
  return Object.assign(middleware, { [NEED]: { scope, names, action } satisfies Need });
}

/** Add facts to what the audit will say of a request. */
export function note(c: HonoContext<HttpEnv>, detail: Detail): void {
  const recording = c.get("recording");
  c.set("recording", { ...recording, detail: { ...recording.detail, ...detail } });
}

/** Take over the recording of a request: its handler tells how it went. */
export function takeRecording(c: HonoContext<HttpEnv>): Recording {
  const recording = c.get("recording");
  c.set("recording", { ...recording, recorded: true });
  return recording;
}

/** @throws NightjarError `FORBIDDEN` */
function refuseScope({ name, rights }: Caller, scope: Scope): void {
  if (hasScope(rights, scope)) return;
  const scopes = rights.scopes.join(", ");
  throw new NightjarError(
    "FORBIDDEN",
    `This needs the scope ${scope}; token ${name} has ${scopes}.`,
  );
}

/**
 * Find the database that a request is about.
 *
 * @param wanted true if the database is recorded, so that it is looked up for everybody
 * @throws NightjarError as `needs`
 */
async function reached(
  context: Context,
  { name, rights }: Caller,
  names: Names,
  given: string,
  wanted: boolean,
): Promise<string | undefined> {
  const { catalog } = context;
  const limited = rights.databases !== undefined;
  if (names === "own") return undefined;
  if (names === "all") {
    if (!limited) return undefined;
    const message = `This concerns all databases, and token ${name} is limited to ${rights.databases.join(", ")}.`;
    throw new NightjarError("FORBIDDEN", message);
  }
  if (names === "database") {
    if (!reaches(rights, given)) throw await noSuchDatabase(context, given, rights);
    return given;
  }
  if (!limited && !wanted) return undefined;
  const [database, refusal] =
    names === "backup"
      ? [(await findBackup(catalog, given))?.database, noSuchBackup(given)]
      : names === "run"
        ? [(await findRun(catalog, given))?.database, noSuchRun(given)]
        : [await databaseOf(catalog, await findLink(catalog, given)), noSuchLink(given)];
  if (database === undefined || !reaches(rights, database)) throw refusal;
  return database;
}
