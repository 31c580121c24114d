import { apiClient, bodyOf, connection } from "../../src/cli/client.ts";
import { printable } from "../../src/core/printable.ts";

/** What a later attempt would not change: damaged bytes, in whose place the next good ones are pinned. */
const CERTAIN = ["OBJECT_CORRUPT", "STORE_LOCKED"];

/**
 * Have the Worker that was just shipped prune by its new policy, which copies what a shorter lifecycle
 * would take and the policy keeps. Without NIGHTJAR_TOKEN (and NIGHTJAR_URL, where wrangler did not
 * tell the address) the next night does it, a day after the lifecycle may have acted.
 *
 * @throws CliError when the Worker does not answer, Error when it could not copy all: then the lifecycle
 * is not to be set
 */
export async function pinFirst(url: string | undefined): Promise<void> {
  const { NIGHTJAR_URL = url, NIGHTJAR_TOKEN: token } = process.env;
  if (NIGHTJAR_URL === undefined || token === undefined) {
    console.log(
      "If this makes a tier's age shorter, set NIGHTJAR_URL and NIGHTJAR_TOKEN and deploy again: only then are last good backups pinned before R2's lifecycle follows.",
    );
    return;
  }
  const client = apiClient(connection({ NIGHTJAR_URL, NIGHTJAR_TOKEN: token }));
  const { failures } = await bodyOf(client.v1.prune.$post({ json: { dryRun: false } }));
  for (const { id, message } of failures) console.error(printable(`${id}: ${message}`));
  if (failures.some(({ code }) => !CERTAIN.includes(code)))
    throw new Error("Not everything could be pinned: the bucket's lifecycle is left as it was.");
}
