import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { readHealth } from "../../read-health.ts";
import { CliError, EXIT } from "../../exit.ts";
import { moment, print, printAside, printJson } from "../../output.ts";

export default defineCommand({
  meta: {
    name: "health",
    description: "Check that every database has a fresh backup that is known to be good",
  },
  args: { json },
  async run({ args }) {
    const client = signIn();
    const { status, cron, databases, failing } = await readHealth(client);
    if (args.json) printJson({ status, cron, databases, failing });
    else {
      for (const { database, state } of failing) print(`${database}: ${state}`);
      if (status === "asleep")
        print(
          cron.at === null
            ? "The cron has never run: nothing is backed up."
            : `The cron last ran ${moment(cron.at)}: nothing is backed up.`,
        );
      else if (failing.length === 0)
        print(databases === 1 ? "The database is fresh." : `All ${databases} databases are fresh.`);
      const { healthUrl } = await bodyOf(client.v1.databases.$get({ query: { limit: "1" } }));
      if (healthUrl !== null) printAside(`For an uptime monitor: ${healthUrl}`);
    }
    if (status !== "ok")
      throw new CliError(
        EXIT.failed,
        `${failing.length} of ${databases} databases are not fresh.`,
        {
          hint: "`nightjar status` and `nightjar alert list` say why.",
          code: "NOT_HEALTHY",
        },
      );
  },
});
