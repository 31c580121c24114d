import { env } from "cloudflare:workers";
import { describe, inject, it } from "vitest";
import { enterRun, failRun } from "../../../src/catalog/runs.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { expectConsistent, healNow } from "../../support/consistent.ts";
import { inlineStep, manualRun, testContext } from "../../support/context.ts";
import { failing, KilledError } from "../../support/failing.ts";

const SMALL = inject("small");
const { BUCKET, DB } = env;

const CAPTURES = ["dump", "pages", "rows"] as const;
const PARTS = ["bucket", "db"] as const;

describe.each(CAPTURES)(
  "a Worker that is killed, while a database is captured by %s",
  (capture) => {
    it.each(PARTS)(
      "at any call to the %s: all of the backup or nothing, and the next run recovers",
      async (part) => {
        for (let call = 1; ; call++) {
          const name = `killed-${capture}-${part}-${call}`;
          const databases = { [name]: { url: SMALL, capture } };
          const fault = failing({ BUCKET, DB }, part, call, () => new KilledError());
          const context = testContext(databases, fault);
          const { catalog } = testContext(databases);
          const run = manualRun(name);
          await enterRun(catalog, run, Date.now());
          // After the kill everything fails, clean-ups too: the process is dead.
          await runBackup(context, run.id, inlineStep).catch(() => {});
          const when = `killed at call ${call} of the ${part}: ${fault.what()}`;
          const { code, message, hint } = {
            code: "RUN_LOST",
            message: "killed",
            hint: "-",
          } as const;
          await failRun(catalog, run.id, { code, message, hint }, Date.now()); // as the cron does
          await healNow(name, databases);
          await expectConsistent(name, databases, when);
          if (!fault.happened()) break;
        }
      },
    );
  },
);
