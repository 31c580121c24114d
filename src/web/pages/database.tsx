import type { BackupAnswer, DatabaseAnswer, RunAnswer } from "../../http/views.ts";
import type { DayState } from "../../plan/calendar.ts";
import { span } from "../../plan/duration.ts";
import { TIERS } from "../../plan/tier.ts";
import { Layout } from "../layout.tsx";
import { Calendar, Legend } from "../parts/calendar.tsx";
import { Chart } from "../parts/chart.tsx";
import { Choice } from "../parts/choice.tsx";
import { Coded, sentenceOf, State, timeOf, When, Word } from "../parts/words.tsx";
import { sizeOf } from "../size.ts";
import { Objective, Refreshed } from "./fleet.tsx";

/** The fields of the form that filters backups. */
export const FILTERS = ["tier", "name", "label", "migration", "since", "until"] as const;
export type Filters = Partial<Record<(typeof FILTERS)[number], string>>;

/** What who asks may do. */
export interface May {
  readonly backup: boolean;
  readonly download: boolean;
  readonly restore: boolean;
  readonly admin: boolean;
}

interface DatabasePageOf {
  readonly who: string;
  readonly database: DatabaseAnswer;
  readonly days: readonly DayState[];
  readonly history: readonly { takenAt: number; rawBytes: number; durationMs: number }[];
  /** The moments that the page log reaches, ISO 8601; null if there is none. */
  readonly window: { readonly from: string; readonly to: string } | null;
  readonly backups: readonly BackupAnswer[];
  /** Where the next page of backups begins; null if there is none. */
  readonly next: string | null;
  readonly filters: Filters;
  readonly runs: readonly RunAnswer[];
  /** What was done just now, for people. */
  readonly done: string | undefined;
  readonly may: May;
  readonly now: number;
}

/** One database: its days, its charts, its log, its backups, and what can be done with them. */
export function DatabasePage(props: DatabasePageOf) {
  const { who, database, days, history, window, now, done, may } = props;
  const { name, state, mistakes, lastRun, badgeUrl } = database;
  return (
    <Layout title={name} who={who}>
      <h1>{name}</h1>
      {done !== undefined && (
        <p class="note good" role="status">
          {done}
        </p>
      )}
      <p>
        <State state={state} /> {sentenceOf(state)}
      </p>
      {mistakes.map(({ path, fix }) => (
        <p class="note bad">
          <code>{path}</code>: {fix}
        </p>
      ))}
      {lastRun?.error != null && (
        <p class="note bad">
          The last run failed: {lastRun.error.message} <code>{lastRun.error.code}</code>
          <br />
          <Coded text={lastRun.error.hint} />
        </p>
      )}
      {database.refresh?.last?.error != null && (
        <p class="note bad">
          {database.refresh.into} was not refreshed: {database.refresh.last.error.message}{" "}
          <code>{database.refresh.last.error.code}</code>
          <br />
          <Coded text={database.refresh.last.error.hint} />
        </p>
      )}
      <Facts {...props} />
      {may.backup && database.url !== null && (
        <form method="post" action={`/databases/${name}/backup`}>
          <button>Back up now</button>
        </form>
      )}
      {may.restore && database.refresh !== null && (
        <form method="post" action={`/databases/${name}/refresh`}>
          <button>{`Refresh ${database.refresh.into} now`}</button>
        </form>
      )}

      <h2>Last 90 days</h2>
      <Calendar days={days} now={now} />
      <Legend />
      <div class="charts">
        <Chart
          title="Size"
          points={history.map(({ takenAt, rawBytes }) => [takenAt, rawBytes])}
          format={sizeOf}
        />
        <Chart
          title="Duration of the capture"
          points={history.map(({ takenAt, durationMs }) => [takenAt, durationMs])}
          format={span}
        />
      </div>

      <h2>Backups</h2>
      <Filter name={name} filters={props.filters} />
      <Backups {...props} />

      {window !== null && (
        <>
          <h2>Page log</h2>
          <p>
            Any moment from {timeOf(window.from)} to {timeOf(window.to)} can be restored.
          </p>
          <pre>{`nightjar pull ${name} --at ${window.to}`}</pre>
        </>
      )}

      <h2>Runs</h2>
      <Runs runs={props.runs} now={now} />

      {badgeUrl !== null && (
        <>
          <h2>Badge</h2>
          <p>
            <img
              src={new URL(badgeUrl).pathname + new URL(badgeUrl).search}
              alt={`Backup of ${name}`}
            />
          </p>
          <pre>{`![backup of ${name}](${badgeUrl})`}</pre>
          <pre>{`<img src="${badgeUrl}" alt="backup of ${name}">`}</pre>
        </>
      )}
    </Layout>
  );
}

function Facts({ database, now }: DatabasePageOf) {
  const { newestBackup, newestVerified, newestDrilled, nextScheduledAt, schedule, log, follow } =
    database;
  return (
    <dl class="facts">
      <div>
        <dt>Newest backup</dt>
        <dd>
          <When at={newestBackup?.takenAt ?? null} now={now} />
          {newestBackup !== null && (
            <small>{`${sizeOf(newestBackup.raw.bytes)}, stored as ${sizeOf(newestBackup.stored.bytes)}`}</small>
          )}
          {newestBackup?.confirmed != null && (
            <small>
              Nothing had been written to it since, as of{" "}
              <When at={newestBackup.confirmed.at} now={now} />. Scheduled backups that were not
              needed: {newestBackup.confirmed.times}.
            </small>
          )}
        </dd>
      </div>
      <div>
        <dt>Newest verified</dt>
        <dd>
          <When at={newestVerified?.takenAt ?? null} now={now} />
          <small>Its bytes were read back and checked.</small>
        </dd>
      </div>
      <div>
        <dt>Newest drilled</dt>
        <dd>
          <When at={newestDrilled?.takenAt ?? null} now={now} />
          <small>Its restore was rehearsed, and compared.</small>
        </dd>
      </div>
      <div>
        <dt>Next run</dt>
        <dd>
          <When at={nextScheduledAt} now={now} />
          {schedule !== null && <small>{schedule}</small>}
        </dd>
      </div>
      <div>
        <dt>Recovery point</dt>
        <dd>
          <Objective objective={database.recoveryPoint} />
          <small>What would be lost if the source were lost now.</small>
        </dd>
      </div>
      <div>
        <dt>Recovery time</dt>
        <dd>
          <Objective objective={database.recoveryTime} />
          <small>How long the last drill took.</small>
        </dd>
      </div>
      {database.refresh !== null && (
        <div>
          <dt>Refresh</dt>
          <dd>
            <Refreshed refresh={database.refresh} now={now} />
          </dd>
        </div>
      )}
      {log !== null && (
        <div>
          <dt>Page log</dt>
          <dd>
            <When at={log.checkedAt} now={now} />
            <small>
              {follow === null
                ? "It grows with each backup."
                : `Followed every ${follow.seconds} s.`}
            </small>
          </dd>
        </div>
      )}
    </dl>
  );
}

function Filter({ name, filters }: { readonly name: string; readonly filters: Filters }) {
  return (
    <form method="get" action={`/databases/${name}`}>
      <Choice name="tier" label="Tier" value={filters.tier ?? ""} choices={TIERS} />
      <label>
        Name <input name="name" value={filters.name ?? ""} size={12} />
      </label>
      <label>
        Label <input name="label" value={filters.label ?? ""} size={12} />
      </label>
      <label>
        Migration <input name="migration" value={filters.migration ?? ""} size={12} />
      </label>
      <label>
        From <input type="date" name="since" value={filters.since ?? ""} />
      </label>
      <label>
        To <input type="date" name="until" value={filters.until ?? ""} />
      </label>
      <button>Filter</button>
    </form>
  );
}

function Backups({ backups, next, filters, database, now }: DatabasePageOf) {
  if (backups.length === 0) return <p class="soft">There are none.</p>;
  const given = Object.entries(filters).filter(([, value]) => value !== "");
  const query = new URLSearchParams([...given, ["cursor", next ?? ""]]);
  return (
    <>
      <table class="wide">
        <thead>
          <tr>
            <th scope="col">Taken</th>
            <th scope="col">Tier</th>
            <th scope="col">Name</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col">Proof</th>
            <th scope="col">Migration</th>
          </tr>
        </thead>
        <tbody>
          {backups.map((backup) => (
            <tr>
              <td>
                <a href={`/backups/${backup.id}`}>
                  <When at={backup.takenAt} now={now} />
                </a>
              </td>
              <td data-of="Tier">
                {backup.tier}
                {backup.pin !== null && " (pinned)"}
                {backup.confirmed !== null && " (unchanged since)"}
              </td>
              <td data-of="Name">{backup.name ?? ""}</td>
              <td data-of="Size" class="number">
                {sizeOf(backup.raw.bytes)}
              </td>
              <td data-of="Proof">
                <ProofWord backup={backup} />
              </td>
              <td data-of="Migration">{backup.schema.migration?.name ?? ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {next !== null && (
        <a href={`/databases/${database.name}?${query.toString()}`}>Older backups</a>
      )}
    </>
  );
}

/** What is known of a backup, in a word. */
export function ProofWord({
  backup,
}: {
  readonly backup: Pick<BackupAnswer, "knownBad" | "drill" | "verification">;
}) {
  if (backup.knownBad !== null)
    return <Word tone="bad">{`${backup.knownBad.act} ${backup.knownBad.outcome}`}</Word>;
  if (backup.drill?.outcome === "passed") return <Word tone="good">drilled</Word>;
  if (backup.verification !== null) return <Word tone="good">verified</Word>;
  return <Word tone="idle">not read back</Word>;
}

export function Runs({ runs, now }: { readonly runs: readonly RunAnswer[]; readonly now: number }) {
  if (runs.length === 0) return <p class="soft">There are none.</p>;
  return (
    <table class="wide">
      <thead>
        <tr>
          <th scope="col">Asked for</th>
          <th scope="col">By</th>
          <th scope="col">State</th>
          <th scope="col">Error</th>
        </tr>
      </thead>
      <tbody>
        {runs.map(({ id, createdAt, trigger, state, error }) => (
          <tr>
            <td>
              <a href={`/runs/${id}`}>
                <When at={createdAt} now={now} />
              </a>
            </td>
            <td data-of="By">{trigger}</td>
            <td>
              <RunState state={state} />
            </td>
            <td>{error === null ? "" : `${error.message} [${error.code}]`}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function RunState({ state }: { readonly state: RunAnswer["state"] }) {
  return (
    <Word tone={state === "done" ? "good" : state === "failed" ? "bad" : "warn"}>{state}</Word>
  );
}
