import { auditEnd, auditRowsAfter } from "../catalog/access/audit.ts";
import type { AuditHead } from "../model/audit.ts";
import { readAuditHeads, writeAuditHead } from "../store/audit-heads.ts";
import type { Context } from "../worker/context.ts";
import { endHolds, hashOf } from "./chain.ts";

/** Rows of one read, and of one call at most. */
const ROWS = 1000;
const MOST_ROWS = 50_000;

/** A place at which the audit is not what was written. */
export interface AuditFault {
  /** The row; of a table that is gone the last one that is known of it. */
  readonly seq: number;
  readonly problem: string;
}

/** What a part of the audit was found to be. */
export interface AuditReport {
  /** Rows that were read. */
  readonly rows: number;
  /** Heads in the bucket that were compared. */
  readonly heads: number;
  /** The first place that is wrong; null if there is none. */
  readonly fault: AuditFault | null;
  /** Where to go on; null at the end, and at a fault. */
  readonly next: string | null;
}

/**
 * Write the end of the audit to the bucket, where nobody who can write to the catalog can change it.
 *
 * @param now ms
 * @throws NightjarError `CATALOG_FAILED`, `STORE_FAILED`, `STORE_CONFLICT`
 */
export async function keepAuditHead({ bucket, catalog }: Context, now: number): Promise<void> {
  const end = await auditEnd(catalog);
  if (end === undefined) return;
  const { chain, seq, hash } = end;
  await writeAuditHead(bucket, { format: 1, chain, seq, hash, at: new Date(now).toISOString() });
}

/**
 * Read the audit from its beginning, a part at a time: every row must have the number after the one before,
 * the hash of the one before, and the hash of its own fields; the table must have the rows that the bucket
 * has heads of, and end where it ended last.
 *
 * @param cursor `next` of the part before
 * @throws NightjarError `CATALOG_FAILED`, `STORE_FAILED`; `OBJECT_CORRUPT`, `OBJECT_UNSIGNED` or
 *   `OBJECT_MISSING` for a head that cannot be read
 */
export async function verifyAudit(context: Context, cursor?: string): Promise<AuditReport> {
  const { bucket, catalog, config } = context;
  const all = await readAuditHeads(bucket);
  // Rows that come meanwhile are beyond it, and are left to the next time.
  const end = await auditEnd(catalog);
  const report = (rows: number, fault: AuditFault | null, next: string | null = null) => ({
    ...{ rows, heads: all.length, fault, next },
  });

  const gone = all.findLast(({ chain }) => chain !== end?.chain);
  if (gone !== undefined) return report(0, { seq: gone.seq, problem: goneWords(gone) });
  if (end === undefined) {
    const [first] = await auditRowsAfter(catalog, 0, 1);
    const problem = "There are rows, and their end is gone.";
    return report(0, first === undefined ? null : { seq: first.seq, problem });
  }
  const heads = new Map(all.map((head) => [head.seq, head]));
  const begun = parseCursor(cursor);
  let { seq, hash } = begun ?? { seq: 0, hash: end.chain };
  const from = seq;
  for (;;) {
    const rows = await auditRowsAfter(catalog, seq, ROWS);
    for (const row of rows) {
      if (row.seq > end.seq) break;
      const problem = problemOf(row, seq + 1, hash) ?? unlike(heads.get(row.seq), row.hash);
      if (problem !== undefined) return report(seq - from, { seq: row.seq, problem });
      ({ seq, hash } = row);
    }
    if (rows.length < ROWS || seq >= end.seq) break;
    if (seq - from >= MOST_ROWS) return report(seq - from, null, `${seq}-${hash}`);
  }
  const beyond = all.find((head) => head.seq > seq);
  const fault =
    seq !== end.seq || hash !== end.hash
      ? { seq: seq + 1, problem: `The last rows are gone: there were ${end.seq}.` }
      : !endHolds(end, [config.signingKey, ...config.formerSigningKeys])
        ? { seq, problem: "The end of the table is not signed with Nightjar's SIGNING_KEY." }
        : beyond === undefined
          ? null
          : {
              seq: seq + 1,
              problem: `The last rows are gone: at ${beyond.at} there were ${beyond.seq}.`,
            };
  return report(seq - from, fault);
}

type Row = Parameters<typeof hashOf>[0] & { readonly hash: string };

function problemOf(row: Row, seq: number, previous: string): string | undefined {
  if (row.seq !== seq) return `Row ${seq} is gone.`;
  if (row.previous !== previous) return "It does not follow the row before.";
  return hashOf(row) === row.hash ? undefined : "Its fields are not those that were written.";
}

function unlike(head: AuditHead | undefined, hash: string): string | undefined {
  if (head === undefined || head.hash === hash) return undefined;
  return `The rows up to it are not those of ${head.at}, whose hash is in the bucket.`;
}

function goneWords({ chain, seq, at }: AuditHead): string {
  return `The table that had ${seq} rows at ${at} is gone: the bucket has its heads under audit/${chain}/.`;
}

function parseCursor(cursor: string | undefined): { seq: number; hash: string } | undefined {
  if (cursor === undefined) return undefined;
  const [seq, hash] = cursor.split("-") as [string, string];
  return { seq: Number(seq), hash };
}
