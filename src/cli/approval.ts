import { setTimeout as sleep } from "node:timers/promises";
import { bodyOf, type Client } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import { ifStopped } from "./files/unfinished.ts";
import { printAside } from "./output.ts";

/** Interval at which a waiting command looks, ms. */
const LOOK = 3000;

/**
 * Send a request that may need a second person's approval. Where it does, wait until somebody has granted
 * it, then send it again.
 *
 * @throws CliError as `send`; `refused` where it was denied or has expired
 */
export async function whenApproved<T>(client: Client, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof CliError) || error.approval === undefined) throw error;
    const { approval: id } = error;
    printAside(error.message);
    printAside(`Waiting for: nightjar approval grant ${id}`);
    await ifStopped(
      "The request waits on: once it is granted, run the same command within the hour to go on.",
      () => awaitGrant(client, id),
    );
    return await send();
  }
}

async function awaitGrant(client: Client, id: string): Promise<void> {
  for (;;) {
    const { state, decidedByName } = await bodyOf(
      client.v1.approvals[":id"].$get({ param: { id } }),
    );
    if (state === "granted") return printAside(`Granted by ${decidedByName}.`);
    if (state !== "waiting")
      throw new CliError(EXIT.refused, `Approval ${id} is ${state}.`, {
        hint: "Run the command again to ask anew.",
        code: "APPROVAL_INVALID",
      });
    await sleep(LOOK);
  }
}
