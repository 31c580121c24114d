import type { Deps } from "../core/deps.ts";
import { fetchFrom } from "../libsql/fetch-from.ts";
import { refuseEncoding, refuseStatus } from "../libsql/refuse.ts";
import type { Source } from "../libsql/server.ts";
import { Watchdog } from "../libsql/watchdog.ts";

/**
 * Bytes that a read returns at least. sqld sends its dump in a piece for each row, and it would otherwise
 * be read row by row. Waiting for more was measured to idle the server.
 */
const READ_AT_LEAST = 4 * 1024;
/**
 * Bytes of the memory that one read fills. Few: each read makes a view that the engine accounts for whole.
 */
const READ_BYTES = 16 * 1024;
/** Reads are gathered into chunks of about this size. */
const CHUNK = 128 * 1024;

/**
 * Yield the server's SQL dump (`GET /dump`) as it comes: one read transaction, all tables, rowids kept. A
 * clean end proves nothing yet; only the dump's own last line does. A chunk's memory is used again for the
 * next one.
 *
 * @throws NightjarError `SOURCE_UNREACHABLE`, `SOURCE_UNAUTHORIZED`, `SOURCE_NOT_FOUND`,
 * `SOURCE_ERROR`, `DUMP_INVALID` for a refusal, `SOURCE_STALLED` or `SOURCE_CUT` later on
 */
export async function* readDump(source: Source, deps: Deps): AsyncIterable<Uint8Array> {
  const watchdog = new Watchdog(source.stallMs);
  try {
    const response = await watchdog.guard("SOURCE_UNREACHABLE", () =>
      fetchFrom(source, deps, `${source.url}/dump?preserve_row_ids=true`, {
        signal: watchdog.signal,
      }),
    );
    await refuse(source, response, watchdog);

    const reader = response.body!.getReader({ mode: "byob" });
    let buffer = new ArrayBuffer(READ_BYTES);
    const chunk = new Uint8Array(CHUNK);
    let filled = 0;
    for (;;) {
      const { value, done } = await watchdog.guard("SOURCE_CUT", () =>
        reader.readAtLeast(READ_AT_LEAST, new Uint8Array(buffer)),
      );
      if (value !== undefined) {
        buffer = value.buffer; // reading takes the memory away and gives it back
        chunk.set(value, filled);
        filled += value.length;
      }
      if (filled > 0 && (done || filled > CHUNK - READ_BYTES)) {
        yield chunk.subarray(0, filled);
        filled = 0;
      }
      if (done) return;
    }
  } finally {
    watchdog.end(); // frees the server's read transaction when the reader leaves early
  }
}

/** Throw for everything but a 200 that can be a dump. */
async function refuse(source: Source, response: Response, watchdog: Watchdog): Promise<void> {
  if (response.status !== 200 || response.body === null)
    await refuseStatus(source, response, watchdog, "GET /dump", "DUMP_INVALID");
  refuseEncoding(response, "GET /dump", "DUMP_INVALID");
}
