import type { Deps } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import { checkFirstPage, emptyDatabase } from "../../format/pages/database-header.ts";
import { fingerprint } from "../../format/bytes/hash.ts";
import type { Page } from "../../format/pages/page.ts";
import type { PageCursor, ReplicaCursor } from "../../model/manifest.ts";
import { readImage, readPages } from "../dbpage.ts";
import { GrpcError, grpcCall, grpcUnary } from "../../libsql/grpc-web.ts";
import { FIRST_CAPTURE, type PageEvent, type PageSource } from "../pages.ts";
import { frameChecksum } from "./checksum.ts";
import {
  decodeFrame,
  decodeHello,
  encodeHelloRequest,
  encodeLogOffset,
  type Frame,
  type Hello,
  REPLICA_PAGE_SIZE,
} from "./messages.ts";
import { ServerClock } from "../../libsql/server-clock.ts";
import type { Source } from "../../libsql/server.ts";

const SERVICE = "wal_log.ReplicationLog";
/** gRPC's FAILED_PRECONDITION, INTERNAL and UNAVAILABLE: sqld puts its own words into their messages. */
const FAILED_PRECONDITION = 9;
const INTERNAL = 13;
const UNAVAILABLE = 14;
/** Repeats of a call at most that the server asks for: after a lost session, or while it compacts its log. */
const REPEATS = 8;

/**
 * Return a source of libSQL's replication log (`wal_log.ReplicationLog` over gRPC-web), as sqld serves it
 * and embedded replicas read it.
 *
 * A log's id and a frame's number do not identify a history: sqld keeps both when an older copy of its data
 * folder is put back. So a pull goes on from a cursor only within the session of the server's process that
 * the cursor was read in, and only if the server's log still reaches the cursor's frame, which must be the
 * same if the server can still show it. In any doubt it reads the whole database.
 *
 * @param withImage the server offers `sqlite_dbpage`, which gives a whole database several times faster
 *   than its log does
 */
export function replicaSource(source: Source, deps: Deps, withImage: boolean): PageSource {
  return {
    protocol: "replica",
    pull: (cursor, why) => new ReplicaPull(source, deps, withImage).events(cursor, why),
    ...(withImage && { readAgain: (cursor, pgnos) => readAgain(source, deps, cursor, pgnos) }),
  };
}

/** Read pages of the image, if nothing was written since `cursor`, before and after. */
async function readAgain(
  source: Source,
  deps: Deps,
  cursor: PageCursor,
  pgnos: readonly number[],
): Promise<readonly Page[] | undefined> {
  if (!(await isLogAt(source, deps, cursor))) return undefined;
  const pages = await readPages(source, deps, pgnos);
  return (await isLogAt(source, deps, cursor)) ? pages : undefined;
}

/**
 * Return true if the server's log ends where `cursor` is, in the same session of the server's process. One
 * Hello. It does not show the last frame again, as a pull has it shown.
 *
 * @throws GrpcError, NightjarError
 */
async function isLogAt(source: Source, deps: Deps, cursor: PageCursor): Promise<boolean> {
  const hello = await sayHello(source, deps);
  if (whyNotFrom(cursor, hello) !== undefined) return false;
  const { frame, atLeast } = cursor as ReplicaCursor;
  return hello.index === frame && frame >= atLeast;
}

/** Do the same as `isLogAt`. @throws NightjarError as PageSource's `pull` */
export async function isReplicaAt(
  source: Source,
  deps: Deps,
  cursor: ReplicaCursor,
): Promise<boolean> {
  try {
    return await isLogAt(source, deps, cursor);
  } catch (thrown) {
    throw named(thrown);
  }
}

/** @throws GrpcError, NightjarError */
export async function sayHello(source: Source, deps: Deps): Promise<Hello> {
  const method = `${SERVICE}/Hello`;
  return decodeHello(await grpcUnary(source, deps, method, encodeHelloRequest()));
}

/** Thrown if the server's history is not, or cannot be shown to be, the one that was read so far. */
class HistoryBroken extends Error {
  override readonly name = "HistoryBroken";
}

/** One pull: from a cursor to the end that the log had when the pull began. */
class ReplicaPull {
  readonly #source: Source;
  readonly #deps: Deps;
  readonly #withImage: boolean;
  #hello: Hello | undefined;
  /** The place up to which frames were read; ahead of the last commit event while within a transaction. */
  #at: { frame: number; checksum: bigint | null } = { frame: -1, checksum: 0n };
  /** True while the server has yet to show the frame that `#at` names, which an earlier pull read. */
  #unconfirmed = false;
  #commits = 0;
  readonly #clock = new ServerClock();

  constructor(source: Source, deps: Deps, withImage: boolean) {
    this.#source = source;
    this.#deps = this.#clock.watch(deps);
    this.#withImage = withImage;
  }

  async *events(cursor: PageCursor | null, why: string = FIRST_CAPTURE): AsyncIterable<PageEvent> {
    try {
      this.#hello = await sayHello(this.#source, this.#deps);
      const broken = cursor === null ? why : yield* this.#increment(cursor, this.#hello);
      if (broken !== undefined) yield* this.#base(broken);
    } catch (thrown) {
      throw named(thrown);
    }
  }

  /** Yield what is new since `cursor`. Return why the whole database has to be read instead, if so. */
  async *#increment(
    cursor: PageCursor,
    hello: Hello,
  ): AsyncGenerator<PageEvent, string | undefined> {
    const why = whyNotFrom(cursor, hello);
    if (why !== undefined) return why;
    const { frame, checksum, atLeast } = cursor as ReplicaCursor;
    this.#at = { frame, checksum: checksum === null ? null : BigInt(`0x${checksum}`) };
    this.#unconfirmed = frame >= 0 && checksum !== null;
    try {
      yield* this.#frames(hello.index ?? -1, atLeast);
      return undefined;
    } catch (thrown) {
      if (!(thrown instanceof HistoryBroken)) throw thrown;
      this.#hello = await sayHello(this.#source, this.#deps);
      return thrown.message;
    }
  }

  /** Yield the log from start to end, or the pages as they are and the log from before they were read. */
  async *#base(why: string): AsyncIterable<PageEvent> {
    const { index } = this.#hello!;
    this.#unconfirmed = false;
    this.#commits = 0;
    this.#at = { frame: -1, checksum: 0n };
    if (this.#withImage) yield* this.#image(why, index ?? -1);
    else {
      yield { kind: "base", why, pageSize: REPLICA_PAGE_SIZE, ascending: false };
      if (index === undefined) {
        yield { kind: "pages", pages: [{ pgno: 1, data: emptyDatabase(REPLICA_PAGE_SIZE) }] };
        this.#commits++;
        yield this.#commit(1, null, -1, 0n);
      } else yield* this.#frames(index, index);
    }
  }

  /** @param before the log's last frame before the image is read */
  async *#image(why: string, before: number): AsyncIterable<PageEvent> {
    for await (const event of readImage(this.#source, this.#deps, why)) {
      if (event.kind !== "commit") yield event;
      else {
        // The pages were read at some moment between these two. Replayed frames only repeat what they hold
        // already, so every commit from the later index on is consistent again. Both are of one session: a
        // server that restarted in between may have another history.
        const checksum = await this.#checksumOf(before);
        const atLeast = await this.#indexNow(before);
        yield { ...event, cursor: this.#cursor(before, checksum, atLeast) };
        this.#at = { frame: before, checksum };
        if (atLeast > before) yield* this.#frames(atLeast, atLeast);
      }
    }
  }

  async #indexNow(before: number): Promise<number> {
    await this.#renewSession();
    const index = this.#hello!.index ?? -1;
    if (index < before) throw new HistoryBroken("the server's log became shorter");
    return index;
  }

  /** Return the rolling checksum of a frame; null if the server has compacted it away. */
  async #checksumOf(frame: number): Promise<bigint | null> {
    if (frame < 0) return 0n;
    try {
      for await (const [first] of this.#call("LogEntries", frame)) {
        const found = decodeFrame(first!);
        if (found.frame !== frame) throw wrongFrame(frame, found.frame);
        return found.checksum;
      }
      throw wrongFrame(frame, undefined);
    } catch (thrown) {
      if (isOf(thrown, FAILED_PRECONDITION, "NEED_SNAPSHOT")) return null;
      if (isOf(thrown, FAILED_PRECONDITION, "NO_HELLO")) throw new HistoryBroken(RESTARTED);
      throw thrown;
    }
  }

  /** Yield the frames after `#at` up to `until`, with a commit event for each commit from `atLeast` on. */
  async *#frames(until: number, atLeast: number): AsyncIterable<PageEvent> {
    for (let repeats = 0, reached = -1; this.#unconfirmed || this.#at.frame < until;) {
      const before = this.#at.frame;
      try {
        yield* this.#logEntries(until, atLeast);
        if (this.#unconfirmed) throw wrongFrame(before, undefined);
        if (this.#at.frame < until && this.#at.frame === before)
          throw new NightjarError(
            "PAGES_INVALID",
            `The server's log ends at frame ${until}, but it sends none after ${before}.`,
          );
      } catch (thrown) {
        if (!(thrown instanceof GrpcError)) throw thrown;
        if (this.#at.frame > reached) repeats = 0; // a snapshot since the last failure counts too
        reached = this.#at.frame;
        if (repeats++ === REPEATS) throw thrown;
        if (isOf(thrown, FAILED_PRECONDITION, "NEED_SNAPSHOT")) {
          // The frame may be compacted and the next one not: the next one's checksum follows from it.
          if (this.#unconfirmed) this.#unconfirmed = false;
          else yield* this.#snapshots(atLeast);
        } else if (isOf(thrown, FAILED_PRECONDITION, "NO_HELLO")) await this.#renewSession();
        else throw thrown;
      }
    }
  }

  async *#logEntries(until: number, atLeast: number): AsyncIterable<PageEvent> {
    const from = this.#unconfirmed ? this.#at.frame : this.#at.frame + 1;
    for await (const messages of this.#call("LogEntries", from)) {
      let pages: Page[] = [];
      for (const message of messages) {
        const frame = decodeFrame(message);
        if (this.#unconfirmed) this.#confirm(frame);
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
      if (this.#at.frame >= until) return; // the log ends within a transaction, which is dropped
    }
  }

  /** Check that the frame with which an earlier pull ended is still the same. */
  #confirm({ frame, checksum }: Frame): void {
    if (frame !== this.#at.frame) throw wrongFrame(this.#at.frame, frame);
    if (checksum !== this.#at.checksum)
      throw new HistoryBroken(`the server's frame ${frame} is not the one that was read`);
    this.#unconfirmed = false;
  }

  #check(frame: Frame): void {
    const { frame: last, checksum } = this.#at;
    if (frame.frame !== last + 1)
      throw new NightjarError(
        "PAGES_INVALID",
        `The server's log jumps from frame ${last} to ${frame.frame}.`,
      );
    checkPage(frame);
    if (checksum !== null && frameChecksum(frame.page, checksum) !== frame.checksum)
      throw new NightjarError(
        "PAGES_INVALID",
        `Frame ${frame.frame} of the server's log does not have the checksum that it should have.`,
      );
  }

  /**
   * Yield what the server has compacted away, as it does at 200 MB: each page once, the newest frame first,
   * without checksums; the last one has the size. The commits within cannot be told apart any more.
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
          if (frame.frame >= (last?.frame ?? Infinity) || last?.sizeAfter)
            throw new NightjarError(
              "PAGES_INVALID",
              `The server's snapshot has frame ${frame.frame} (page ${frame.pgno}) after ${last?.frame}.`,
            );
          checkPage(frame);
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

  /** @param told the time of the commit by the server's clock, ms; null if it reports none */
  #commit(
    pageCount: number,
    told: number | null,
    frame: number,
    checksum: bigint | null,
  ): PageEvent {
    const commits = this.#commits;
    this.#commits = 0;
    const at = told === null ? null : this.#clock.translate(told);
    return { kind: "commit", pageCount, at, commits, cursor: this.#cursor(frame, checksum, frame) };
  }

  #cursor(frame: number, checksum: bigint | null, atLeast: number): ReplicaCursor {
    return {
      protocol: "replica",
      logId: this.#hello!.logId,
      session: sessionOf(this.#hello!),
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

  /**
   * Say Hello again, and check that the session is the same: the server did not restart or begin a new log.
   */
  async #renewSession(): Promise<void> {
    const hello = await sayHello(this.#source, this.#deps);
    const { logId, sessionToken } = this.#hello!;
    if (hello.logId !== logId) throw new HistoryBroken(NEW_LOG);
    if (hello.sessionToken !== sessionToken) throw new HistoryBroken(RESTARTED);
    this.#hello = hello;
  }
}

const NEW_LOG = "the server began a new log";
const RESTARTED = "the server was restarted, and its history may be another one now";

/** Return why a pull cannot go on from `cursor`; undefined if it can. */
function whyNotFrom(cursor: PageCursor, hello: Hello): string | undefined {
  if (cursor.protocol !== "replica") return "the capture before it used another protocol";
  if (cursor.logId !== hello.logId) return NEW_LOG;
  const session = sessionOf(hello);
  if (session === null) return "the server names no session: nothing shows that it did not restart";
  if (cursor.session == null) return "nothing shows that the server did not restart since";
  if (cursor.session !== session) return RESTARTED;
  if ((hello.index ?? -1) < cursor.frame)
    return "the server's log is shorter than what was read of it";
  return undefined;
}

/**
 * Name the server's process in a form that can be stored: the token itself is a credential. sqld makes a
 * new token at each start. Return null if there is none.
 */
function sessionOf({ sessionToken }: Hello): string | null {
  if (sessionToken === "") return null;
  return fingerprint(sessionToken);
}

/** @throws NightjarError `PAGES_INVALID`, and as `readDatabaseHeader` for a first page */
function checkPage({ frame, pgno, page }: Frame): void {
  if (pgno === 0) throw new NightjarError("PAGES_INVALID", `Frame ${frame} names page 0.`);
  checkFirstPage({ pgno, data: page });
}

function wrongFrame(asked: number, sent: number | undefined): NightjarError {
  const what = sent === undefined ? "none" : `frame ${sent}`;
  return new NightjarError(
    "PAGES_INVALID",
    `The server was asked for its log from frame ${asked} on and sent ${what}.`,
  );
}

function isOf(thrown: unknown, status: number, words: string): boolean {
  return thrown instanceof GrpcError && thrown.status === status && thrown.message.includes(words);
}

/** Return true if the server said that it has no such database: then no other way to ask will help. */
export function lacksNamespace(thrown: unknown): boolean {
  return isOf(thrown, 9, "NAMESPACE_DOESNT_EXIST"); // FAILED_PRECONDITION
}

/** Convert errors of gRPC, and of a broken history, to Nightjar's own. */
export function named(thrown: unknown): unknown {
  if (thrown instanceof HistoryBroken)
    return new NightjarError(
      "SOURCE_ERROR",
      `The server's history changed while it was being read: ${thrown.message}.`,
    );
  if (!(thrown instanceof GrpcError)) return thrown;
  const message = `The server's replication service refused: ${thrown.message} (gRPC status ${thrown.status}).`;
  // UNAUTHENTICATED and PERMISSION_DENIED, NOT_FOUND and UNIMPLEMENTED; without a token sqld sends INTERNAL
  const unauthorized = thrown.status === 16 || thrown.status === 7;
  if (unauthorized || isOf(thrown, INTERNAL, "auth header"))
    return new NightjarError("SOURCE_UNAUTHORIZED", message, { cause: thrown });
  if (thrown.status === 5 || thrown.status === 12 || lacksNamespace(thrown))
    return new NightjarError("SOURCE_NOT_FOUND", message, { cause: thrown });
  return new NightjarError("SOURCE_ERROR", message, { cause: thrown });
}
