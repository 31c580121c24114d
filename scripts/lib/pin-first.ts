import { findConnection } from "../../src/cli/account/connection.ts";
import { apiClient, bodyOf } from "../../src/cli/client.ts";
import { printable } from "../../src/core/printable.ts";

/** Errors that a retry would not change: bytes are damaged, and the next good backup is pinned instead. */
const CERTAIN = ["OBJECT_CORRUPT", "STORE_LOCKED"];

/**
 * Make the newly deployed Worker prune by its new policy. That copies the backups that the policy keeps but a
 * shorter lifecycle would delete. Without NIGHTJAR_TOKEN (and NIGHTJAR_URL, if wrangler did not report the
 * address) the next night does it, a day after the lifecycle may have acted.
 *
 * @throws CliError if the Worker does not answer, Error if it could not copy everything: then the lifecycle
 * must not be set
 */
export async function pinFirst(url: string | undefined): Promise<void> {
  const { NIGHTJAR_URL = url, NIGHTJAR_TOKEN: token } = process.env;
  if (NIGHTJAR_URL === undefined || token === undefined) {
    console.log(
      "If this makes a tier's age shorter, set NIGHTJAR_URL and NIGHTJAR_TOKEN and deploy again: only then are last good backups pinned before R2's lifecycle follows.",
    );
    return;
  }
  const client = apiClient(findConnection({ NIGHTJAR_URL, NIGHTJAR_TOKEN: token }));
  const { failures } = await bodyOf(client.v1.prune.$post({ json: { dryRun: false } }));
  for (const { id, message } of failures) console.error(printable(`${id}: ${message}`));
  if (failures.some(({ code }) => !CERTAIN.includes(code)))
    throw new Error("Not everything could be pinned: the bucket's lifecycle is left as it was.");
}
