import type { Deps } from "../core/deps.ts";
import { messageOf } from "../errors/errors.ts";
import { readRow } from "../libsql/cursor.ts";
import { isEncoded, readText } from "../core/read-body.ts";
import { fetchFrom } from "../libsql/fetch-from.ts";
import { redact, type Source } from "../libsql/server.ts";

/** Facts about the server and the database that the dump does not have. */
export interface SourceFacts {
  /** The server's own version line, as `sqld 0.24.32 (…)`. */
  version: string | null;
  /** `PRAGMA user_version`, which the dump does not carry. */
  userVersion: number | null;
  /** Facts that could not be found out, and why. A backup is complete without them. */
  unknown: string[];
}

/** Longest wait, ms: these facts are worth having but not worth a failed backup. */
const PATIENCE = 10_000;

/** Ask the server for what the dump leaves out. Does not throw: failures are listed in `unknown`. */
export async function describeSource(source: Source, deps: Deps): Promise<SourceFacts> {
  const [server, user] = await Promise.all([
    describeServer(source, deps),
    attempt(source, "user_version", () => userVersionOf(source, deps)),
  ]);
  return {
    version: server.version,
    userVersion: user.answer,
    unknown: [...server.unknown, ...user.unknown],
  };
}

/** Ask the server for its version. Does not throw either. */
export async function describeServer(
  source: Source,
  deps: Deps,
): Promise<Pick<SourceFacts, "version" | "unknown">> {
  const { answer, unknown } = await attempt(source, "server version", (signal) =>
    serverVersion(source, deps, signal),
  );
  return { version: answer, unknown };
}

async function attempt<T>(
  source: Source,
  what: string,
  action: (signal: AbortSignal) => Promise<T>,
): Promise<{ answer: T | null; unknown: string[] }> {
  try {
    const signal = AbortSignal.timeout(Math.min(PATIENCE, source.stallMs));
    return { answer: await action(signal), unknown: [] };
  } catch (thrown) {
    return { answer: null, unknown: [redact(`${what}: ${messageOf(thrown)}`, source)] };
  }
}

async function serverVersion(source: Source, deps: Deps, signal: AbortSignal): Promise<string> {
  const response = await fetchFrom(source, deps, `${source.url}/version`, { signal });
  const text = isEncoded(response) ? "" : (await readText(response)).trim();
  if (response.status !== 200 || !/^[ -~]{1,100}$/.test(text))
    throw new Error(`GET /version answered ${response.status} with no version`);
  return redact(text, source);
}

async function userVersionOf(source: Source, deps: Deps): Promise<number> {
  // A read-only token may read the table-valued function, but not run the pragma.
  const sql = "SELECT user_version FROM pragma_user_version";
  const stallMs = Math.min(PATIENCE, source.stallMs);
  const row = await readRow({ ...source, stallMs }, deps, sql);
  if (typeof row?.[0] !== "bigint") throw new Error("the server sent no number");
  return Number(row[0]);
}
