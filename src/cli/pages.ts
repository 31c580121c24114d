import type { DatabaseAnswer } from "../http/views.ts";
import { bodyOf, type Client } from "./client.ts";

/**
 * Get an answer that comes in pages, one page after the other. Without a `next`, as an older Nightjar answers, it
 * is whole.
 */
export async function* pagesOf<P extends { readonly next?: string | null }>(
  get: (page: { cursor?: string }) => Promise<P>,
): AsyncGenerator<P> {
  for (let page: { cursor?: string } = {}; ;) {
    const found = await get(page);
    yield found;
    if (found.next == null) return;
    page = { cursor: found.next };
  }
}

/** Databases of one request. */
const PAGE = "200";

/** Get all databases that the token reaches, page by page, in the order of their names. */
export function databasePages(client: Client) {
  return pagesOf((page) => bodyOf(client.v1.databases.$get({ query: { limit: PAGE, ...page } })));
}

/** Get all databases that the token reaches. */
export async function allDatabases(client: Client): Promise<DatabaseAnswer[]> {
  const all: DatabaseAnswer[] = [];
  for await (const { databases } of databasePages(client)) all.push(...databases);
  return all;
}

/** Get how databases are protected, page by page, in the order of their names. */
export function coveragePages(client: Client, only?: "unprotected") {
  const query = { limit: PAGE, ...(only !== undefined && { only }) };
  return pagesOf((page) => bodyOf(client.v1.coverage.$get({ query: { ...query, ...page } })));
}

type Yielded<G> = G extends AsyncGenerator<infer Page> ? Page : never;
export type CoverageAnswer = Yielded<ReturnType<typeof coveragePages>>;
export type CoverageRow = CoverageAnswer["databases"][number];
