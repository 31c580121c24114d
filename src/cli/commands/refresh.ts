import { setTimeout as sleep } from "node:timers/promises";
import { defineCommand } from "citty";
import { bodyOf, type Client, signIn } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { ifStopped } from "../files/unfinished.ts";
import { database, json } from "../line/args.ts";
import { moment, print, printJson } from "../output.ts";
import { Progress } from "../progress.ts";

/** Interval at which a refresh is asked for, ms. */
const ASK_EVERY = 1000;

export default defineCommand({
  meta: {
    name: "refresh",
    description: "Restore the newest proven backup into the database of `refresh` now",
  },
  args: {
    database,
    wait: { type: "boolean", description: "Wait for the end (--no-wait: do not)", default: true },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const started = await start(client, args.database);
    const refresh = args.wait ? await follow(client, args.database, started, args.json) : started;
    if (args.json) printJson(refresh);
    const { into, backup, asOf, state, sanitized, tables, rows, saved, error } = refresh;
    if (state === "failed")
      throw new CliError(
        EXIT.failed,
        `The refresh of ${into} failed: ${error?.message}`,
        error ?? {},
      );
    if (args.json) return;
    const what = `backup ${backup} of ${args.database}, as of ${moment(asOf)}${sanitized ? ", sanitized" : ""}`;
    if (state !== "done") return print(`The refresh of ${into} with ${what} is ${state}.`);
    if (saved !== null) print(`What ${into} held before is backup ${saved}.`);
    print(`${into} is ${what}: ${rows} rows of ${tables} tables were compared.`);
  },
});

type Started = Awaited<ReturnType<typeof start>>;

function start(client: Client, db: string) {
  return bodyOf(client.v1.databases[":db"].refresh.$post({ param: { db } }));
}

/** Show how a refresh is getting on until it has ended. @throws CliError if another one was started since */
function follow(client: Client, db: string, started: Started, quiet: boolean): Promise<Started> {
  const goesOn = `The refresh goes on without this command: see nightjar status ${db}.`;
  return ifStopped(goesOn, async () => {
    const progress = new Progress(quiet);
    for (let refresh = started; ;) {
      if (refresh.endedAt !== null) {
        progress.end();
        return refresh;
      }
      const again =
        refresh.attempt > 1 ? ` (attempt ${refresh.attempt}, after ${refresh.error?.code})` : "";
      progress.show(`${refresh.into} is ${refresh.state}${again}`);
      await sleep(ASK_EVERY);
      const view = await bodyOf(client.v1.databases[":db"].$get({ param: { db } }));
      const last = view.refresh?.last ?? null;
      if (last?.id !== started.id)
        throw new CliError(EXIT.failed, `Another refresh of ${started.into} was started since.`, {
          hint: `See nightjar status ${db}.`,
        });
      refresh = last;
    }
  });
}
