import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { LoadableDump } from "../../format/dump/loadable-dump.ts";
import { isWhole } from "../../format/tables/selection.ts";
import { SqlSelector } from "../../format/sql/select-sql.ts";
import { readSqlHead } from "../../format/sql/head.ts";
import { SqlScanner } from "../../format/sql/scanner.ts";
import type { Manifest } from "../../model/manifest.ts";
import { writeSelected } from "../../sqlite/sql/write-sql.ts";
import { type Pages, writePages } from "../../target/write-pages.ts";
import type { Planned } from "./plan.ts";
import { masksFor } from "../../read/sanitize.ts";
import {
  dumpText,
  momentPages,
  openStored,
  snapshotPages,
  storedPages,
} from "../../read/stored.ts";

/** Longest statement of a dump that a Worker sends, bytes: its memory holds it about four times. */
const LONGEST_STATEMENT = 16 * 1024 * 1024;

/** Yield whole statements, without the beginning and end of a transaction. */
export async function* sqlOf(context: Context, planned: Planned): AsyncIterable<Uint8Array> {
  const { subject, selection, erasures, sanitize } = planned;
  if ("manifest" in subject && subject.manifest.kind === "dump") {
    yield* sqlOfDump(context, subject.manifest, planned);
    return;
  }
  const image = await openStored(context, subject, erasures);
  try {
    const masks = await masksFor(context, subject, image, { sanitize });
    yield* writeSelected(image, "libsql", selection, masks);
  } finally {
    image.close();
  }
}

async function* sqlOfDump(
  context: Context,
  manifest: Manifest,
  { selection, erasures }: Planned,
): AsyncIterable<Uint8Array> {
  const selector = new SqlSelector(selection);
  let found: Uint8Array[] = [];
  // Only Nightjar's own dump has virtual tables before their shadow tables.
  const loadable = new LoadableDump(manifest.method === undefined ? "rows" : "statements");
  let current: Uint8Array | undefined;
  const scanner = new SqlScanner((statement) => {
    const { bytes, length } = statement;
    if (length > bytes.length) throw tooLong(manifest.id, length);
    for (const piece of loadable.take(statement)) {
      const wanted = isRefused(piece) ? undefined : selector.take(piece);
      if (wanted === undefined) continue;
      // On a line of its own: the text may end in a comment. The chunk's memory is lent, so it is
      // copied.
      const own = wanted.buffer === current?.buffer ? new Uint8Array(wanted) : wanted;
      found.push(own, encode("\n"));
    }
  }, LONGEST_STATEMENT);
  for await (const chunk of await dumpText(context, manifest, erasures)) {
    current = chunk;
    scanner.push(chunk);
    yield* found;
    found = [];
  }
  const { userVersion } = manifest.schema;
  if (userVersion !== null && selection.schema && selection.tables === undefined)
    yield encode(`PRAGMA user_version=${userVersion};\n`);
}

function tooLong(backup: string, length: number): NightjarError {
  return new NightjarError(
    "RESTORE_UNAVAILABLE",
    `A statement of backup ${backup} has ${length} bytes; a Worker sends ${LONGEST_STATEMENT} at the most.`,
    {
      hint: "Restore it to a file with `nightjar restore --to <file>`, and load that into the server from your machine.",
    },
  );
}

/**
 * Return true for a statement that a libSQL server refuses from every client, or that sets what each
 * transaction sets already.
 */
function isRefused(statement: Uint8Array): boolean {
  const { verb, table } = readSqlHead(statement);
  return verb === "PRAGMA" || verb === "ANALYZE" || /^sqlite_(stat\d|schema)$/i.test(table);
}

/** Send the subject as pages. */
export async function writeAllPages(
  context: Context,
  { subject, target, state, selection }: Planned,
  restore: string,
  step: number,
  onPages: (pages: number, of: number) => Promise<void>,
): Promise<void> {
  if (!isWhole(selection) || "why" in state.pages) throw new Error("planned by statements");
  const { pageSize, pageCount } = await storedPages(context, subject);
  const pages: Pages = {
    pageSize,
    pageCount,
    pages:
      "manifest" in subject
        ? snapshotPages(context, subject.manifest, pageSize)
        : momentPages(context, subject.moment),
  };
  await writePages(
    target.server,
    context.deps,
    { restore, step, header: state.pages.header },
    pages,
    (written) => onPages(written, pageCount),
  );
}
