import * as v from "valibot";
import type { AuditHead } from "./audit.ts";
import { count, id, misfit, moment, parseDocument, sha256 } from "./document.ts";

const schema = v.looseObject({
  format: v.literal(1),
  chain: id,
  seq: count,
  hash: sha256,
  at: moment,
});

/**
 * Parse a head of the audit, and check that it matches its own key.
 *
 * @param key `audit/<chain>/<stamp>-<seq>.json`
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function parseAuditHead(json: string, key: string): AuditHead {
  const head = parseDocument<AuditHead>("a head of the audit", key, json, schema);
  const [, chain, seq] = /^audit\/([^/]+)\/[^/]+-(\d+)\.json$/.exec(key) ?? [];
  if (head.chain === chain && String(head.seq) === seq) return head;
  throw misfit("the head of its key", key, "it is another one");
}
