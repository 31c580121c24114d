import { Hono } from "hono";
import * as v from "valibot";
import {
  enterToken,
  findToken,
  listTokens,
  revokeToken,
  type Token,
} from "../catalog/access/tokens.ts";
import { NightjarError } from "../errors/errors.ts";
import { SCOPES } from "../plan/access.ts";
import { LONGEST_DATABASE_NAME } from "../plan/names/database-name.ts";
import { DURATION, DURATION_FORM, parseDuration } from "../plan/duration.ts";
import { needs, note } from "./access/needs.ts";
import { makeToken } from "./access/token-text.ts";
import { knownDatabase } from "./configured.ts";
import { text } from "./fields.ts";
import { newestFirst, pageOf, placeOf } from "./paging.ts";
import type { HttpEnv } from "./hono-env.ts";
import { input } from "./input.ts";
import { iso } from "../core/iso.ts";
import { VERSION } from "../core/version.ts";
import { about, empty, json } from "./openapi/about.ts";
import {
  CALLER,
  callerAnswer,
  NEW_TOKEN,
  newTokenAnswer,
  TOKENS,
  tokensAnswer,
} from "./answers/access.ts";

const ONE_OF = `must be a list of ${SCOPES.join(", ")}`;
const EXPIRES_IN = `must be ${DURATION_FORM}`;

const newTokenSchema = v.strictObject({
  name: text(100),
  scopes: v.pipe(v.array(v.picklist(SCOPES, ONE_OF), ONE_OF), v.minLength(1, ONE_OF)),
  databases: v.optional(
    v.pipe(
      v.array(text(LONGEST_DATABASE_NAME), "must be a list of databases"),
      v.minLength(1, "must name a database; leave it out for all"),
      v.maxLength(100, "must name 100 databases at the most"),
      v.description("What it is limited to; all databases if left out."),
    ),
  ),
  expiresIn: v.optional(
    v.pipe(
      v.string(EXPIRES_IN),
      v.regex(DURATION, EXPIRES_IN),
      v.check((duration) => (parseDuration(duration) ?? 0) > 0, EXPIRES_IN),
    ),
  ),
});

const pageSchema = v.strictObject(newestFirst);

type TokenState = "valid" | "expired" | "revoked";

/** A token as the API shows it: never its hash, and itself only when it is made. */
function tokenView(token: Token, now: number) {
  const { id, name, scopes, databases, createdBy, expiresAt, revokedAt } = token;
  const state: TokenState =
    revokedAt !== null ? "revoked" : expiresAt !== null && expiresAt <= now ? "expired" : "valid";
  return {
    ...{ id, name, scopes, databases, state, createdBy },
    createdAt: iso(token.createdAt),
    expiresAt: iso(expiresAt),
    lastUsedAt: iso(token.lastUsedAt),
    revokedAt: iso(revokedAt),
  };
}

/** `/v1/tokens`: making, listing and revoking tokens, and whose one is. */
export const tokens = new Hono<HttpEnv>()
  .post(
    "/",
    about("createToken", "Make a token", {
      201: json(newTokenAnswer, NEW_TOKEN, "The token, shown this once."),
    }),
    needs("admin", "all", "token"),
    input("json", newTokenSchema, {
      name: "ci",
      scopes: ["read", "backup"],
      databases: ["shop"],
      expiresIn: "90d",
    }),
    async (c) => {
      const { catalog, deps } = c.env;
      const caller = c.get("caller");
      const { name, scopes, databases, expiresIn } = c.req.valid("json");
      for (const database of databases ?? []) await knownDatabase(c.env, database, caller.rights);
      const { id, token, hash } = makeToken(deps);
      const createdAt = deps.now();
      const expiresAt = expiresIn === undefined ? null : createdAt + parseDuration(expiresIn)!;
      const entry = { id, name, hash, scopes: [...new Set(scopes)], databases: databases ?? null };
      const row = { ...entry, createdAt, createdBy: caller.id, expiresAt };
      await enterToken(catalog, row);
      note(c, { token: id, name, scopes: entry.scopes, databases: entry.databases });
      const view = tokenView({ ...row, lastUsedAt: null, revokedAt: null }, createdAt);
      return c.json({ ...view, token }, 201);
    },
  )

  .get(
    "/",
    about("listTokens", "List tokens, newest first", {
      200: json(tokensAnswer, TOKENS, "A page of them, without the tokens themselves."),
    }),
    needs("admin", "all"),
    input("query", pageSchema, { limit: "50" }),
    async (c) => {
      const { limit, cursor } = c.req.valid("query");
      const found = await listTokens(c.env.catalog, limit + 1, placeOf(cursor));
      const { page, next } = pageOf(found, limit, ({ createdAt }) => createdAt);
      const now = c.env.deps.now();
      return c.json({ tokens: page.map((token) => tokenView(token, now)), next });
    },
  )

  .get(
    "/current",
    about("getCaller", "Tell whom the token of this request is, and what it may do", {
      200: json(callerAnswer, CALLER, "Its name and rights."),
    }),
    needs("read", "own"),
    async (c) => {
      const { catalog, deps } = c.env;
      const { id, name, rights } = c.get("caller");
      const [kind, token = ""] = id.split(":");
      const entry = kind === "token" ? await findToken(catalog, token) : undefined;
      const { scopes, databases = null } = rights;
      const expiresAt = iso(entry?.expiresAt ?? null);
      const now = iso(deps.now());
      return c.json({ id, name, scopes, databases, expiresAt, now, version: VERSION });
    },
  )

  .delete(
    "/:id",
    about(
      "revokeToken",
      "Revoke a token",
      { 204: empty("It opens nothing any more.") },
      {
        path: { id: ["The token's id.", NEW_TOKEN.id] },
      },
    ),
    needs("admin", "all", "token-revoke"),
    async (c) => {
      const id = c.req.param("id");
      note(c, { token: id });
      if (!(await revokeToken(c.env.catalog, id, c.env.deps.now())))
        throw new NightjarError(
          "TOKEN_NOT_FOUND",
          `There is no token ${id.slice(0, 100)} that is valid.`,
        );
      return c.body(null, 204);
    },
  );
