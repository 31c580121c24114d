import { createHash, createHmac } from "node:crypto";
import type { AuditEnd } from "../catalog/access/audit.ts";
import { secretsEqual } from "../core/secrets-equal.ts";
import type { AuditRow } from "../model/audit.ts";

/**
 * Compute the hash of a row: SHA-256 over a JSON list of all of its other fields, in the order of the table.
 * `previous` is among them, so that each hash depends on every row before.
 */
export function hashOf(row: Omit<AuditRow, "hash">): string {
  const { seq, at, actor, actorName, action, outcome, database, subject, detail, previous } = row;
  const fields = [seq, at, actor, actorName, action, outcome, database, subject, detail, previous];
  return createHash("sha256").update(JSON.stringify(fields)).digest("hex");
}

/** Sign the end of the audit, so that nobody without the signing key can move it. */
export function macOfEnd({ chain, seq, hash }: Omit<AuditEnd, "mac">, key: string): string {
  const text = ["nightjar", "audit-end", chain, String(seq), hash].join("\n");
  return createHmac("sha256", key).update(text).digest("base64url");
}

/** Return true if one of the keys has signed the end. */
export function endHolds(end: AuditEnd, keys: readonly string[]): boolean {
  return keys.some((key) => secretsEqual(end.mac, macOfEnd(end, key)));
}
