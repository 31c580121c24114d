import type { RunAnswer } from "../../http/views.ts";
import { Layout } from "../layout.tsx";
import { Coded, When } from "../parts/words.tsx";
import { sizeOf } from "../size.ts";
import { RunState } from "./database.tsx";

const STEPS = ["queued", "capturing", "storing", "verifying", "drilling", "done"] as const;

interface RunPageOf {
  readonly who: string;
  readonly run: RunAnswer;
  /** Bytes of the newest backup, by which the progress of a capture is estimated. */
  readonly expected: number | undefined;
  readonly now: number;
}

/** One run. While it is under way, the browser asks again every two seconds. */
export function RunPage({ who, run, expected, now }: RunPageOf) {
  const { id, database, state, trigger, tier, attempt, rawBytes, storedBytes, error } = run;
  const active = run.finishedAt === null;
  const step = STEPS.findIndex((one) => one === state);
  return (
    <Layout title={`Run of ${database}`} who={who} refresh={active ? 2 : undefined}>
      <h1>
        Run of <a href={`/databases/${database}`}>{database}</a>
      </h1>
      <p role="status">
        <RunState state={state} />
      </p>
      {active && (
        <p>
          <label>
            {state === "capturing" && expected !== undefined
              ? `${sizeOf(rawBytes)} of about ${sizeOf(expected)}`
              : `Step ${step + 1} of ${STEPS.length}`}{" "}
            <progress
              max={state === "capturing" && expected ? expected : STEPS.length}
              value={state === "capturing" && expected ? rawBytes : step + 1}
            />
          </label>
        </p>
      )}
      {error !== null && (
        <p class="note bad">
          {error.message} <code>{error.code}</code>
          <br />
          <Coded text={error.hint} />
        </p>
      )}
      <dl class="facts">
        <div>
          <dt>Asked for</dt>
          <dd>
            <When at={run.createdAt} now={now} />
            <small>{`by ${trigger}, for ${tier}`}</small>
          </dd>
        </div>
        <div>
          <dt>Finished</dt>
          <dd>{active ? "not yet" : <When at={run.finishedAt} now={now} />}</dd>
        </div>
        <div>
          <dt>Attempts</dt>
          <dd>{String(attempt)}</dd>
        </div>
        <div>
          <dt>Read, stored</dt>
          <dd>{`${sizeOf(rawBytes)}, ${sizeOf(storedBytes)}`}</dd>
        </div>
      </dl>
      {run.backupId !== null && (
        <p>
          <a href={`/backups/${run.backupId}`}>{`Backup ${run.backupId}`}</a>
        </p>
      )}
      <p class="soft">{id}</p>
    </Layout>
  );
}
