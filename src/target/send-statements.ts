import type { Steps } from "./steps.ts";

/** Bytes of SQL in one request, which is one transaction; more if one row is larger. */
const REQUEST = 2 * 1024 * 1024;

/**
 * Send SQL to a marked target.
 *
 * @param sql whole statements, without the beginning and end of a transaction
 * @param onBytes receives the number of bytes sent so far
 * @throws NightjarError as `Steps.write`; whatever `sql` throws
 */
export async function sendStatements(
  steps: Steps,
  sql: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => Promise<void>,
): Promise<void> {
  let held: Uint8Array[] = [];
  let length = 0;
  let sent = 0;
  const flush = async () => {
    if (length === 0) return;
    await steps.write(held);
    sent += length;
    held = [];
    length = 0;
    await onBytes(sent);
  };
  for await (const statements of sql) {
    held.push(statements);
    length += statements.length;
    if (length >= REQUEST) await flush();
  }
  await flush();
}
