import { Buffer } from "node:buffer";
import type { Deps } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import type { Row } from "./cursor.ts";
import { fetchFrom } from "./fetch-from.ts";
import type { Value } from "./hrana-messages.ts";
import { refuseEncoding, refuseStatus } from "./refuse.ts";
import { RowSlicer } from "./row-slicer.ts";
import type { Source } from "./server.ts";
import { Watchdog } from "./watchdog.ts";

const PATH = "/v2/pipeline";

/**
 * Run statements in one transaction over Hrana's JSON (`POST /v2/pipeline`, one batch), for a server that
 * has no cursor. Yields the rows as they come, many at a time. The server ends the transaction itself,
 * whatever fails: it may have one connection for all clients, in which an open one would take their
 * statements in. Of a REAL that JSON has no number for, the value is NaN.
 *
 * @throws NightjarError `SOURCE_NOT_FOUND` where the server has no such address, `SOURCE_ERROR` with the
 *   server's words when a statement fails, `SOURCE_CUT` when the answer is not whole, `ROWS_INVALID` when it
 *   makes no sense, `ROWS_UNAVAILABLE` for a row that is too large
 */
export async function* readPipelineRows(
  source: Source,
  deps: Deps,
  statements: readonly string[],
): AsyncIterable<Row[]> {
  const watchdog = new Watchdog(source.stallMs);
  try {
    const response = await watchdog.guard("SOURCE_UNREACHABLE", () =>
      fetchFrom(source, deps, `${source.url}${PATH}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: encodeRequest(statements),
        signal: watchdog.signal,
      }),
    );
    if (response.status !== 200 || response.body === null)
      await refuseStatus(source, response, watchdog, `POST ${PATH}`, "ROWS_INVALID");
    refuseEncoding(response, `POST ${PATH}`, "ROWS_INVALID");

    let rows: Row[] = [];
    const slicer = new RowSlicer((step, values) => {
      // The first step is the BEGIN.
      rows.push({ statement: step - 1, values: rowOf(values) });
    });
    const reader = response.body!.getReader();
    for (;;) {
      const { value, done } = await watchdog.guard("SOURCE_CUT", () => reader.read());
      if (done) break;
      slicer.push(value);
      if (rows.length > 0) yield rows;
      rows = [];
    }
    refuseFailure(slicer.end(), statements.length);
  } finally {
    watchdog.end();
  }
}

/** Encode a batch that runs each step only if the one before did, and rolls back unless it commits. */
function encodeRequest(statements: readonly string[]): string {
  const all = ["BEGIN", ...statements, "COMMIT"];
  const steps = all.map((sql, at) => ({
    stmt: { sql, want_rows: true },
    ...(at > 0 && { condition: { type: "ok", step: at - 1 } }),
  }));
  // If BEGIN failed, the open transaction is somebody else's.
  const unfinished = {
    type: "and",
    conds: [
      { type: "ok", step: 0 },
      { type: "not", cond: { type: "ok", step: all.length - 1 } },
    ],
  };
  const rollback = { stmt: { sql: "ROLLBACK", want_rows: false }, condition: unfinished };
  const requests = [{ type: "batch", batch: { steps: [...steps, rollback] } }];
  return JSON.stringify({ requests });
}

interface Refusal {
  readonly message?: unknown;
}

interface Answer {
  readonly results?: readonly {
    readonly type?: unknown;
    readonly error?: Refusal;
    readonly response?: {
      readonly result?: {
        readonly step_results?: readonly unknown[];
        readonly step_errors?: readonly (Refusal | null)[];
      };
    };
  }[];
}

/** Refuse an answer in which a statement failed or was left out, or the transaction was not committed. */
function refuseFailure(answer: unknown, statements: number): void {
  const [batch] = (answer as Answer | null)?.results ?? [];
  const { step_results: results, step_errors: errors } = batch?.response?.result ?? {};
  const refusal = batch?.error ?? errors?.find((error) => error !== null);
  if (refusal !== undefined)
    throw new NightjarError(
      "SOURCE_ERROR",
      `The server refused a statement: ${String(refusal.message).slice(0, 500)}`,
    );
  const steps = statements + 2;
  const done = results?.slice(0, steps).filter((result) => result !== null).length;
  // The last step is the ROLLBACK.
  if (batch?.type !== "ok" || done !== steps || results?.[steps] !== null)
    throw new NightjarError(
      "ROWS_INVALID",
      `The server answered ${done ?? "none"} of ${steps} statements of a batch.`,
    );
}

function rowOf(values: unknown): Value[] {
  if (!Array.isArray(values)) throw senseless("a row is no list");
  return values.map(valueOf);
}

/** Read a value: `{type, value}`, or `{type, base64}` of a blob. */
function valueOf(json: unknown): Value {
  const { type, value, base64 } = (json ?? {}) as Record<string, unknown>;
  switch (type) {
    case "null":
      return null;
    case "integer":
      if (typeof value === "string" && /^-?[0-9]{1,19}$/.test(value)) return BigInt(value);
      break;
    case "float":
      if (typeof value === "number") return value;
      if (value === null) return Number.NaN;
      break;
    case "text":
      if (typeof value === "string") return value;
      break;
    case "blob":
      if (typeof base64 === "string" && /^[0-9A-Za-z+/]*={0,2}$/.test(base64))
        return Buffer.from(base64, "base64");
      break;
    default:
      break;
  }
  throw senseless(`it has a value of type ${String(type)}`);
}

function senseless(why: string): NightjarError {
  return new NightjarError("ROWS_INVALID", `The server's answer to a batch is wrong: ${why}.`);
}
