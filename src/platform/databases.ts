import * as v from "valibot";
import { issueKeys } from "../errors/schema-issue.ts";
import { type Ask, invalid, isPathPart } from "./request.ts";

/** A database as Turso lists it. */
export interface PlatformDatabase {
  readonly name: string;
  /** Turso's own id: another one under the same name is another database. */
  readonly id: string;
  /** The host of its server. */
  readonly hostname: string;
  readonly group: string;
  /** True if Turso refuses to read it. */
  readonly readsBlocked: boolean;
  /** True if Turso refuses to delete it. */
  readonly deleteProtected: boolean;
  /** The cipher with which Turso keeps it encrypted under a key of the customer's; null if it does not. */
  readonly cipher: string | null;
}

/** Databases asked for at once. */
const PAGE = "100";
/** Pages of a listing: a million databases. */
const MOST_PAGES = 10_000;

const text = v.pipe(v.string(), v.regex(/^\P{Cc}{1,255}$/u));
const flag = v.nullish(v.boolean(), false);

const entrySchema = v.looseObject({
  Name: v.pipe(v.string(), v.check(isPathPart)),
  DbId: text,
  // Tokens are sent there: a host, perhaps with a port, and nothing else.
  Hostname: v.pipe(
    v.string(),
    v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}(:\d{1,5})?$/),
    v.check((host) => URL.canParse(`https://${host}`)),
  ),
  group: text,
  block_reads: flag,
  delete_protection: flag,
  encryption_cipher: v.nullish(v.string()),
});

const pageSchema = v.looseObject({
  databases: v.nullable(v.array(v.unknown())),
  pagination: v.nullish(v.looseObject({ next: v.nullish(v.string()) })),
});

const WHAT = "listing databases";

/**
 * List the databases of an organization, page by page. Only a listing that ends without an error has them all.
 *
 * @throws NightjarError `PLATFORM_…`: also for an entry that makes no sense, as one that is left out would look
 * like a database that is gone
 */
export async function* listDatabases(ask: Ask): AsyncGenerator<PlatformDatabase[], void> {
  const ids = new Map<string, string>();
  const cursors = new Set<string>();
  let cursor: string | undefined;
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const query = { limit: PAGE, ...(cursor !== undefined && { cursor }) };
    const request = { what: WHAT, method: "GET" as const, path: ["databases"], query };
    const { databases, next } = await ask(request, (answer) => {
      const page = parsePage(answer, cursor === undefined);
      if (cursors.has(page.next))
        throw invalid(
          WHAT,
          `it gives the cursor ${JSON.stringify(page.next)} twice: that list has no end`,
        );
      return { ...page, databases: page.databases.filter((database) => isNew(database, ids)) };
    });
    yield databases;
    if (next === "") return;
    cursors.add(next);
    cursor = next;
  }
  throw invalid(WHAT, `the list has more than ${MOST_PAGES} pages`);
}

/** Parse a page; `next` is the cursor of the next one, empty on the last. @throws NightjarError `PLATFORM_INVALID` */
function parsePage(
  answer: unknown,
  isFirst: boolean,
): { databases: PlatformDatabase[]; next: string } {
  const result = v.safeParse(pageSchema, answer);
  // Go writes an empty list as null. All of an organization's databases at once do not become none.
  if (!result.success || (result.output.databases === null && isFirst))
    throw invalid(WHAT, `the answer has no list of databases: ${JSON.stringify(answer)}`);
  const { databases, pagination } = result.output;
  // No cursor, and an empty one, both are the first page's.
  return { databases: (databases ?? []).map(parseEntry), next: pagination?.next ?? "" };
}

function parseEntry(entry: unknown): PlatformDatabase {
  const result = v.safeParse(entrySchema, entry);
  if (!result.success) {
    const field = issueKeys(result.issues[0])[0] ?? "form";
    throw invalid(WHAT, `it lists a database without a sound ${field}: ${JSON.stringify(entry)}`);
  }
  const { Name, DbId, Hostname, group, ...more } = result.output;
  return {
    ...{ name: Name, id: DbId, hostname: Hostname, group },
    readsBlocked: more.block_reads,
    deleteProtected: more.delete_protection,
    cipher: more.encryption_cipher || null,
  };
}

/** Enter a database; false for one that a page before had. @throws NightjarError `PLATFORM_INVALID` */
function isNew({ name, id }: PlatformDatabase, ids: Map<string, string>): boolean {
  const known = ids.get(name);
  if (known !== undefined && known !== id)
    throw invalid(WHAT, `it lists two databases named ${name}, with the ids ${known} and ${id}`);
  ids.set(name, id);
  return known === undefined;
}
