import type { Deps } from "../deps.ts";
import { NightjarError } from "../errors.ts";
import { emptyDatabase } from "../format/database-header.ts";
import type { Page } from "../format/page.ts";
import type { PageCursor, ReplicaCursor } from "../manifest.ts";
import { readImage } from "./dbpage.ts";
import { GrpcError, grpcCall, grpcUnary } from "./grpc-web.ts";
import type { PageEvent, PageSource } from "./pages.ts";
import { frameChecksum } from "./replica-checksum.ts";
import {
  decodeFrame,
  decodeHello,
  encodeHelloRequest,
  encodeLogOffset,
  type Frame,
  type Hello,
  REPLICA_PAGE_SIZE,
} from "./replica-messages.ts";
import type { Source } from "./server.ts";

const SERVICE = "wal_log.ReplicationLog";
/** gRPC's FAILED_PRECONDITION, INTERNAL and UNAVAILABLE: sqld puts its own words into their messages. */
const FAILED_PRECONDITION = 9;
const INTERNAL = 13;
const UNAVAILABLE = 14;
/** How often a call is repeated that the server asks to repeat: a lost session, a log that it compacts. */
const REPEATS = 8;

/**
 * libSQL's replication log (`wal_log.ReplicationLog` over gRPC-web), as sqld serves it and embedded
 * replicas read it. `withImage`: the server offers `sqlite_dbpage`, which gives a whole database
 * several times faster than its log does.
 */
export function replicaSource(source: Source, deps: Deps, withImage: boolean): PageSource {
  return {
    protocol: "replica",
    pull: (cursor) => new ReplicaPull(source, deps, withImage).events(cursor),
  };
}

/** @throws GrpcError, NightjarError */
export async function sayHello(source: Source, deps: Deps): Promise<Hello> {
  const method = `${SERVICE}/Hello`;
  return decodeHello(await grpcUnary(source, deps, method, encodeHelloRequest()));
}

/** One pull: from a cursor to where the log ended when the pull began. */
class ReplicaPull {
  readonly #source: Source;
  readonly #deps: Deps;
  readonly #withImage: boolean;
  #hello: Hello | undefined;
  /** Where reading is; ahead of the last commit event while within a transaction. */
  #at: { frame: number; checksum: bigint | null } = { frame: -1, checksum: 0n };
  #commits = 0;

  constructor(source: Source, deps: Deps, withImage: boolean) {
    this.#source = source;
    this.#deps = deps;
    this.#withImage = withImage;
  }

  async *events(cursor: PageCursor | null): AsyncIterable<PageEvent> {
    try {
      const hello = await sayHello(this.#source, this.#deps);
      this.#hello = hello;
      const why = whyNotFrom(cursor, hello);
      if (why === undefined) yield* this.#increment(cursor as ReplicaCursor);
      else yield* this.#base(why);
    } catch (thrown) {
      throw named(thrown);
    }
  }

  /** The log from its start to its end, or the pages as they are and the log from before they were read. */
  async *#base(why: string): AsyncIterable<PageEvent> {
    const { index } = this.#hello!;
    if (!this.#withImage) {
      yield { kind: "base", why, pageSize: REPLICA_PAGE_SIZE, ascending: false };
      if (index === undefined) {
        yield { kind: "pages", pages: [{ pgno: 1, data: emptyDatabase(REPLICA_PAGE_SIZE) }] };
        this.#commits++;
        yield this.#commit(1, null, -1, 0n);
      } else yield* this.#frames(index, index);
      return;
    }
    const before = index ?? -1;
    for await (const event of readImage(this.#source, this.#deps, why)) {
      if (event.kind !== "commit") yield event;
      else {
        // The pages were read at some moment between these two; replayed frames only repeat what
        // they hold already, so that every commit from the later index on is consistent again.
        const atLeast = await this.#indexNow();
        yield { ...event, cursor: this.#cursor(before, null, atLeast) };
        this.#at = { frame: before, checksum: null };
        if (atLeast > before) yield* this.#frames(atLeast, atLeast);
      }
    }
  }

  async #indexNow(): Promise<number> {
    const hello = await sayHello(this.#source, this.#deps);
    if (hello.logId !== this.#hello!.logId)
      throw new NightjarError(
        "SOURCE_ERROR",
        "The server began a new log while it was being read.",
      );
    return hello.index ?? -1;
  }

  async *#increment(cursor: ReplicaCursor): AsyncIterable<PageEvent> {
    const index = this.#hello!.index ?? -1;
    if (index === cursor.frame) return;
    const checksum = cursor.checksum === null ? null : BigInt(`0x${cursor.checksum}`);
    this.#at = { frame: cursor.frame, checksum };
    yield* this.#frames(index, cursor.atLeast);
  }

  /** Frames after `#at` up to `until`, with a commit event for each commit from `atLeast` on. */
  async *#frames(until: number, atLeast: number): AsyncIterable<PageEvent> {
    for (let repeats = 0, reached = -1; this.#at.frame < until;) {
      const before = this.#at.frame;
      try {
        yield* this.#logEntries(until, atLeast);
        if (this.#at.frame === before)
          throw new NightjarError(
            "PAGES_INVALID",
            `The server's log ends at frame ${until}, but it sends none after ${before}.`,
          );
      } catch (thrown) {
        if (!(thrown instanceof GrpcError)) throw thrown;
        if (this.#at.frame > reached) repeats = 0; // a snapshot since the last failure counts too
        reached = this.#at.frame;
        if (repeats++ === REPEATS) throw thrown;
        if (isOf(thrown, FAILED_PRECONDITION, "NEED_SNAPSHOT")) yield* this.#snapshots(atLeast);
        else if (isOf(thrown, FAILED_PRECONDITION, "NO_HELLO")) await this.#renewSession();
        else throw thrown;
      }
    }
  }

  async *#logEntries(until: number, atLeast: number): AsyncIterable<PageEvent> {
    for await (const messages of this.#call("LogEntries", this.#at.frame + 1)) {
      let pages: Page[] = [];
      for (const message of messages) {
        const frame = decodeFrame(message);
        if (frame.frame <= this.#at.frame) continue; // sent again
        this.#check(frame);
        this.#at = { frame: frame.frame, checksum: frame.checksum };
        pages.push({ pgno: frame.pgno, data: frame.page });
        if (frame.sizeAfter === 0) continue;
        this.#commits++;
        if (frame.frame < atLeast) continue;
        yield { kind: "pages", pages };
        pages = [];
        yield this.#commit(frame.sizeAfter, frame.at, frame.frame, frame.checksum);
        if (frame.frame >= until) return;
      }
      if (pages.length > 0) yield { kind: "pages", pages };
      if (this.#at.frame >= until) return; // a log that ends within a transaction: it is dropped
    }
  }

  #check(frame: Frame): void {
    const { frame: last, checksum } = this.#at;
    if (frame.frame !== last + 1)
      throw new NightjarError(
        "PAGES_INVALID",
        `The server's log jumps from frame ${last} to ${frame.frame}.`,
      );
    if (frame.pgno === 0)
      throw new NightjarError("PAGES_INVALID", `Frame ${frame.frame} names page 0.`);
    if (checksum !== null && frameChecksum(frame.page, checksum) !== frame.checksum)
      throw new NightjarError(
        "PAGES_INVALID",
        `Frame ${frame.frame} of the server's log does not have the checksum that it should have.`,
      );
  }

  /**
   * What the server has compacted away, as it does at 200 MB: each page once, the newest frame first,
   * without checksums; the last one tells the size. The commits within cannot be told apart any more.
   */
  async *#snapshots(atLeast: number): AsyncIterable<PageEvent> {
    const from = this.#at.frame;
    let newest: number | undefined;
    let last: Frame | undefined;
    try {
      for await (const messages of this.#call("Snapshot", from + 1)) {
        const pages: Page[] = [];
        for (const message of messages) {
          const frame = decodeFrame(message);
          if (frame.pgno === 0 || frame.frame >= (last?.frame ?? Infinity) || last?.sizeAfter)
            throw new NightjarError(
              "PAGES_INVALID",
              `The server's snapshot has frame ${frame.frame} (page ${frame.pgno}) after ${last?.frame}.`,
            );
          newest ??= frame.frame;
          last = frame;
          pages.push({ pgno: frame.pgno, data: frame.page });
        }
        yield { kind: "pages", pages };
      }
    } catch (thrown) {
      // The server is still writing it.
      if (!isOf(thrown, UNAVAILABLE, "snapshot not found") || newest !== undefined) throw thrown;
      await this.#deps.sleep(500);
      return;
    }
    if (newest === undefined || last === undefined || last.sizeAfter === 0 || newest <= from)
      throw new NightjarError("PAGES_INVALID", "The server's snapshot of its log is not complete.");
    this.#at = { frame: newest, checksum: null };
    this.#commits++;
    if (newest >= atLeast) yield this.#commit(last.sizeAfter, last.at, newest, null);
  }

  #commit(pageCount: number, at: number | null, frame: number, checksum: bigint | null): PageEvent {
    const commits = this.#commits;
    this.#commits = 0;
    return { kind: "commit", pageCount, at, commits, cursor: this.#cursor(frame, checksum, frame) };
  }

  #cursor(frame: number, checksum: bigint | null, atLeast: number): ReplicaCursor {
    return {
      protocol: "replica",
      logId: this.#hello!.logId,
      frame,
      checksum: checksum === null ? null : checksum.toString(16).padStart(16, "0"),
      atLeast,
    };
  }

  async *#call(method: string, nextFrame: number): AsyncIterable<Uint8Array[]> {
    yield* grpcCall(this.#source, this.#deps, `${SERVICE}/${method}`, encodeLogOffset(nextFrame), {
      "x-session-token": this.#hello!.sessionToken,
    });
  }

  /** After a restart the server does not know the old session any more; a new log is another matter. */
  async #renewSession(): Promise<void> {
    const hello = await sayHello(this.#source, this.#deps);
    if (hello.logId !== this.#hello!.logId)
      throw new NightjarError(
        "SOURCE_ERROR",
        "The server began a new log while it was being read.",
      );
    this.#hello = hello;
  }
}

/** Why a pull cannot go on from `cursor`; undefined if it can. */
function whyNotFrom(cursor: PageCursor | null, { logId, index }: Hello): string | undefined {
  if (cursor === null) return "the first capture";
  if (cursor.protocol !== "replica") return "the capture before it used another protocol";
  if (cursor.logId !== logId) return "the server began a new log";
  if ((index ?? -1) < cursor.frame) return "the server's log is shorter than what was read of it";
  return undefined;
}

function isOf(thrown: unknown, status: number, words: string): boolean {
  return thrown instanceof GrpcError && thrown.status === status && thrown.message.includes(words);
}

/** Whether the server said that it has no such database: asking for it in another way is no use. */
export function lacksNamespace(thrown: unknown): boolean {
  return isOf(thrown, 9, "NAMESPACE_DOESNT_EXIST"); // FAILED_PRECONDITION
}

/** gRPC's own errors by Nightjar's names. */
export function named(thrown: unknown): unknown {
  if (!(thrown instanceof GrpcError)) return thrown;
  const message = `The server's replication service refused: ${thrown.message} (gRPC status ${thrown.status}).`;
  // UNAUTHENTICATED and PERMISSION_DENIED, NOT_FOUND and UNIMPLEMENTED; sqld says INTERNAL of no token
  const unauthorized = thrown.status === 16 || thrown.status === 7;
  if (unauthorized || isOf(thrown, INTERNAL, "auth header"))
    return new NightjarError("SOURCE_UNAUTHORIZED", message, { cause: thrown });
  if (thrown.status === 5 || thrown.status === 12 || lacksNamespace(thrown))
    return new NightjarError("SOURCE_NOT_FOUND", message, { cause: thrown });
  return new NightjarError("SOURCE_ERROR", message, { cause: thrown });
}
