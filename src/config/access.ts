import * as v from "valibot";
import { isTable, issueKeys, issueMessage } from "../errors/schema-issue.ts";
import { type Scope, SCOPES } from "../plan/access.ts";
import { tableOrJson } from "./fields.ts";
import type { ConfigMistake } from "./mistakes.ts";

const TEAM = 'must be the name of your Zero Trust team, like "acme" of acme.cloudflareaccess.com';
const AUDIENCE = "must be the Application Audience (AUD) tag of the Access application";
const PEOPLE =
  'must be a table of addresses and scopes, like { "ann@acme.dev" = ["admin"], "*@acme.dev" = ["read"] }';
const SCOPE = `must be a list of scopes: ${SCOPES.join(", ")}`;

const ENTRIES = {
  team: v.pipe(v.string(TEAM), v.regex(/^[a-z0-9-]{1,63}$/, TEAM)),
  audience: v.pipe(v.string(AUDIENCE), v.regex(/^[0-9a-f]{64}$/, AUDIENCE)),
  people: v.pipe(
    v.custom<Record<string, unknown>>(isTable, PEOPLE),
    v.record(
      v.pipe(v.string(), v.regex(/^[^@\s]+@[^@\s]+$/, PEOPLE)),
      v.pipe(v.array(v.picklist(SCOPES, SCOPE), SCOPE), v.minLength(1, SCOPE)),
    ),
  ),
};

const schema = v.strictObject(ENTRIES, "must be a table with `team`, `audience` and `people`");

/** Who may sign in on the page by Cloudflare Access. */
export interface AccessConfig {
  readonly team: string;
  readonly audience: string;
  /** Scopes by address, in lower case; `*@acme.dev` is everybody of a domain. */
  readonly people: ReadonlyMap<string, readonly Scope[]>;
}

/** Read an `ACCESS` value: a table from wrangler.toml, or the same as a JSON string. */
export function readAccess(raw: unknown): {
  access: AccessConfig | undefined;
  mistakes: ConfigMistake[];
} {
  if (raw === undefined) return { access: undefined, mistakes: [] };
  const { value, mistakes } = tableOrJson("ACCESS", raw);
  if (mistakes.length > 0) return { access: undefined, mistakes };
  const result = v.safeParse(schema, value);
  if (!result.success)
    return {
      access: undefined,
      mistakes: result.issues.map((issue) => ({
        path: ["ACCESS", ...issueKeys(issue)].join("."),
        fix: issueMessage(issue, Object.keys(ENTRIES)),
      })),
    };
  const { team, audience, people } = result.output;
  const scopes = Object.entries(people).map(
    ([address, list]) => [address.toLowerCase(), list] as const,
  );
  return { access: { team, audience, people: new Map(scopes) }, mistakes: [] };
}

/** Return the scopes of a person; undefined for somebody who may not sign in. */
export function scopesOfPerson(
  { people }: AccessConfig,
  address: string,
): readonly Scope[] | undefined {
  const lower = address.toLowerCase();
  return people.get(lower) ?? people.get(`*${lower.slice(lower.lastIndexOf("@"))}`);
}
