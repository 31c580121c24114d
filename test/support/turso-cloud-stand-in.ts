import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Page } from "../../src/format/pages/page.ts";

const REVISION = "main.";
const revisionOf = (changes: number): string => `${REVISION}${changes}`;

/** Databases of a page of the list. */
const LISTED = 100;

/** Time for which a token is taken, ms. */
const LIFETIME = 3_600_000;

/** A database of the stand-in: its first page tells which one it is, and how often it was changed. */
interface Held {
  readonly id: string;
  readonly group: string;
  readonly number: number;
  changes: number;
  requests: number;
}

/** A token that was made. */
interface Minted {
  /** What it reads: `groups/default`, `databases/shop`. */
  readonly reads: string;
  readonly until: number;
}

/**
 * A stand-in for an organization of Turso Cloud, inside of the test: the platform API, and servers that give
 * their pages by revision (`/pull-updates`). Revisions are words and no numbers, as the protocol allows; what
 * the real service's look like is not known. All databases have the same pages, except that `user_version`
 * of each is its own.
 */
export class TursoCloudStandIn {
  readonly #pages: readonly Page[];
  readonly #now: () => number;
  readonly #held = new Map<string, Held>();
  readonly #hosts = new Map<string, string>();
  readonly #tokens = new Map<string, Minted>();
  #made = 0;
  /** Requests to the platform API for a page of the list. */
  listings = 0;
  /** What tokens were made for, in their order, also in vain. */
  readonly mints: string[] = [];
  /** Requests to databases with a token that ended before. */
  late = 0;
  /** True if it makes no tokens for groups. */
  refusesGroups = false;
  /** What is answered in place of the true answer, if anything; `path` is that of the platform API. */
  broken: (path: string) => Response | undefined = () => undefined;

  /**
   * @param pages a whole database, in ascending order; at most 65,535
   * @param now the clock by which tokens end, ms
   */
  constructor(pages: readonly Page[], now: () => number) {
    this.#pages = pages;
    this.#now = now;
  }

  add(names: readonly string[], group = "default"): void {
    for (const name of names) {
      const number = ++this.#made;
      this.#held.set(name, { id: `id-${number}`, group, number, changes: 0, requests: 0 });
    }
  }

  /** Replace a database by another one with the same content. */
  recreate(name: string): void {
    this.#held.set(name, { ...this.#held.get(name)!, id: `id-${++this.#made}` });
  }

  /** Commit a change. */
  change(name: string): void {
    this.#held.get(name)!.changes += 1;
  }

  /** Remove a database. @returns what puts the same one back */
  remove(name: string): () => void {
    const held = this.#held.get(name)!;
    this.#held.delete(name);
    return () => void this.#held.set(name, held);
  }

  /** List a database at another host. */
  listAt(name: string, host: string): void {
    this.#hosts.set(name, host);
  }

  /** Make a token that reads a database and does not end. */
  lastingToken(name: string): string {
    const token = `lasting-token-of-${name}`;
    this.#tokens.set(token, { reads: `databases/${name}`, until: Infinity });
    return token;
  }

  /** Have no server take the tokens that were made until now. */
  revokeTokens(): void {
    this.#tokens.clear();
  }

  /** The `user_version` of a database now. */
  versionOf(name: string): number {
    const { number, changes } = this.#held.get(name)!;
    return number * 1000 + changes;
  }

  /** Requests to the servers of databases, by their names, and begin to count anew. */
  takeRequests(): Map<string, number> {
    const counts = new Map([...this.#held].map(([name, { requests }]) => [name, requests]));
    for (const held of this.#held.values()) held.requests = 0;
    return counts;
  }

  static hostOf(name: string): string {
    return `${name}-acme.turso.example`;
  }

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { hostname, pathname, search, searchParams } = new URL(url);
    if (hostname === "api.turso.tech")
      return this.broken(pathname + search) ?? this.#platform(pathname, searchParams);
    const name = hostname.slice(0, -"-acme.turso.example".length);
    const held = this.#held.get(name);
    if (held === undefined) return new Response("no such database", { status: 404 });
    held.requests += 1;
    const sent = new Headers(init.headers).get("authorization") ?? "";
    const token = this.#tokens.get(sent.replace("Bearer ", ""));
    const isLate = token !== undefined && token.until <= this.#now();
    if (isLate) this.late += 1;
    const reads = [`groups/${held.group}`, `databases/${name}`];
    // A server may repeat what it was sent.
    if (token === undefined || isLate || !reads.includes(token.reads))
      return new Response(`no right by ${sent}`, { status: 401 });
    if (pathname !== "/pull-updates") return new Response("not found", { status: 404 });
    const body = await new Response(init.body).arrayBuffer();
    return this.#updates(held, new Uint8Array(body));
  };

  #platform(path: string, query: URLSearchParams): Response {
    const [, reads] = /([^/]+\/[^/]+)\/auth\/tokens$/.exec(path) ?? [];
    if (reads !== undefined) {
      this.mints.push(reads);
      if (this.refusesGroups && reads.startsWith("groups/"))
        return Response.json({ error: "missing scope" }, { status: 403 });
      const jwt = `secret-token-${this.mints.length}-of-${reads}`;
      this.#tokens.set(jwt, { reads, until: this.#now() + LIFETIME });
      return Response.json({ jwt });
    }
    this.listings += 1;
    const all = [...this.#held];
    const from = Number(query.get("cursor") ?? 0);
    const databases = all.slice(from, from + LISTED).map(([name, { id, group }]) => ({
      ...{ Name: name, DbId: id, group },
      Hostname: this.#hosts.get(name) ?? TursoCloudStandIn.hostOf(name),
    }));
    const next = from + LISTED < all.length ? String(from + LISTED) : undefined;
    return Response.json({ databases, ...(next !== undefined && { pagination: { next } }) });
  }

  #updates(held: Held, request: Uint8Array): Response {
    const { at = revisionOf(held.changes), since, pages } = readRequest(request);
    const version = held.number * 1000 + Number(at.slice(REVISION.length));
    const isWanted = (pgno: number) => pages === undefined || pages.has(pgno);
    const isNew = (pgno: number) => since === undefined || (since !== at && pgno === 1);
    const sent = this.#pages.filter(({ pgno }) => isWanted(pgno) && isNew(pgno));
    const head = new BinaryWriter().tag(1, WireType.LengthDelimited).string(at);
    head.tag(2, WireType.Varint).uint64(this.#pages.length);
    const body = new BinaryWriter().bytes(head.finish());
    for (const { pgno, data } of sent) {
      const message = new BinaryWriter().tag(1, WireType.Varint).uint64(pgno - 1);
      const bytes = pgno === 1 ? withVersion(data, version) : data;
      message.tag(2, WireType.LengthDelimited).bytes(bytes);
      body.bytes(message.finish());
    }
    return new Response(body.finish() as Uint8Array<ArrayBuffer>);
  }
}

/** Return a first page with another `user_version`. */
export function withVersion(page: Uint8Array, version: number): Uint8Array<ArrayBuffer> {
  const changed = new Uint8Array(page);
  new DataView(changed.buffer).setUint32(60, version);
  return changed;
}

function readRequest(bytes: Uint8Array): {
  at: string | undefined;
  since: string | undefined;
  pages: ReadonlySet<number> | undefined;
} {
  const reader = new BinaryReader(bytes);
  let [at, since]: (string | undefined)[] = [];
  let pages: Set<number> | undefined;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 2) at = reader.string();
    else if (field === 3) since = reader.string();
    else if (field === 5) pages = readSelection(reader.bytes());
    else reader.skip(type);
  }
  return { at, since, pages };
}

/** Read a Roaring bitmap of one container of runs. */
function readSelection(bytes: Uint8Array): Set<number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const pages = new Set<number>();
  const runs = view.getUint16(9, true);
  for (let run = 0; run < runs; run++) {
    const first = view.getUint16(11 + 4 * run, true);
    const more = view.getUint16(13 + 4 * run, true);
    for (let page = first; page <= first + more; page++) pages.add(page + 1);
  }
  return pages;
}
