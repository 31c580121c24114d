import * as v from "valibot";
import { namespaceName, serverUrl } from "../../config/fields.ts";
import { isTable } from "../../errors/schema-issue.ts";
import { sendsTokenInClear } from "../../plan/transport.ts";

const text = (what: string) => v.pipe(v.string(what), v.minLength(1, what));
const TARGET = 'must be {"url", "token"?, "namespace"?} or {"database"}';
const named = v.strictObject({ database: text("must be a configured database's name") }, TARGET);
const addressed = v.pipe(
  v.strictObject(
    {
      url: serverUrl,
      token: v.optional(text("must be the target's token")),
      namespace: v.optional(namespaceName),
    },
    TARGET,
  ),
  v.check(
    ({ url, token }) => token === undefined || !sendsTokenInClear(url),
    "must be an https:// or libsql:// address: over http:// everybody on the way could read the token",
  ),
);

/** A database to restore into: a configured one, or any address. */
export const targetField = v.pipe(
  v.lazy((target): typeof named | typeof addressed =>
    isTable(target) && "database" in target ? named : addressed,
  ),
  v.metadata({ choices: [named, addressed] }),
);
