import type { DayState } from "../../plan/calendar.ts";
import type { ObjectiveAnswer, RefreshAnswer } from "../../http/views.ts";
import type { Freshness } from "../../plan/freshness.ts";
import { Layout } from "../layout.tsx";
import { Legend, Strip } from "../parts/calendar.tsx";
import { seconds, State, timeOf, When, Word } from "../parts/words.tsx";

/** A database as the fleet shows it. Moments are ISO 8601. */
export interface FleetRow {
  readonly name: string;
  readonly state: Freshness | "not configured";
  readonly days: readonly DayState[];
  readonly takenAt: string | null;
  readonly drilledAt: string | null;
  readonly nextRunAt: string | null;
  readonly recoveryPoint: ObjectiveAnswer | null;
  readonly recoveryTime: ObjectiveAnswer | null;
  /** Null where it refreshes no other database. */
  readonly refresh: RefreshAnswer | null;
}

/** Which databases a page has: */
type List =
  /** A page of those that need somebody first. */
  | {
      readonly by: "state";
      /** How many databases of all that are shown here are in each state. */
      readonly counts: ReadonlyMap<string, number>;
      readonly page: number;
      readonly pages: number;
    }
  /** A page of a large fleet, by name. */
  | {
      readonly by: "name";
      /** The start of the names that are shown. */
      readonly prefix: string;
      /** The last name of this page; undefined on the last one. */
      readonly next: string | undefined;
      readonly isFirst: boolean;
    };

export interface Fleet {
  readonly who: string;
  readonly databases: readonly FleetRow[];
  readonly list: List;
  /** Titles of open incidents, those that are critical first. */
  readonly incidents: readonly { id: string; title: string; severity: "warning" | "critical" }[];
  readonly now: number;
}

/** All databases at a glance. */
export function FleetPage({ who, databases, list, incidents, now }: Fleet) {
  const refreshes = databases.some(({ refresh }) => refresh !== null);
  return (
    <Layout title="Databases" who={who} place="Databases">
      {list.by === "state" ? (
        <Counts counts={list.counts} />
      ) : (
        <Search prefix={list.prefix} isEmpty={databases.length === 0} />
      )}
      {incidents.length > 0 && (
        <div class="note bad">
          <strong>Wrong now</strong>
          <ul>
            {incidents.map(({ id, title, severity }) => (
              <li>
                <a href={`/alerts/${id}`}>{title}</a> ({severity})
              </li>
            ))}
          </ul>
        </div>
      )}
      {databases.length > 0 && (
        <>
          <table class="wide">
            <thead>
              <tr>
                <th scope="col">Database</th>
                <th scope="col">State</th>
                <th scope="col">Last 90 days</th>
                <th scope="col">Last backup</th>
                <th scope="col">Last drill</th>
                <th scope="col">Next run</th>
                <th scope="col">Recovery point</th>
                <th scope="col">Recovery time</th>
                {refreshes && <th scope="col">Refresh</th>}
              </tr>
            </thead>
            <tbody>
              {databases.map((database) => (
                <Row database={database} refreshes={refreshes} now={now} />
              ))}
            </tbody>
          </table>
          <Legend />
        </>
      )}
      {list.by === "state" ? <Pages page={list.page} pages={list.pages} /> : <Names {...list} />}
    </Layout>
  );
}

/** How many databases are in each state. */
function Counts({ counts }: { readonly counts: ReadonlyMap<string, number> }) {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const fresh = counts.get("fresh") ?? 0;
  return (
    <>
      <h1>{total === 1 ? "One database" : `${total} databases`}</h1>
      {total === 0 ? (
        <p>No database is configured yet: add one to wrangler.toml, and deploy again.</p>
      ) : (
        <p>
          {fresh === total ? (
            <Word tone="good">All are fresh</Word>
          ) : (
            <Word tone="bad">{`${total - fresh} of ${total} are not fresh`}</Word>
          )}{" "}
          <span class="soft">
            {[...counts].map(([state, count]) => `${count} ${state}`).join(", ")}
          </span>
        </p>
      )}
    </>
  );
}

/** Finds databases of a large fleet by the start of their names. */
function Search({ prefix, isEmpty }: { readonly prefix: string; readonly isEmpty: boolean }) {
  return (
    <>
      <h1>Databases by name</h1>
      <p class="soft">
        There are more than 500. <code>nightjar status</code> lists those that are not fresh.
      </p>
      <form method="get" action="/">
        <label>
          Names that begin with <input name="prefix" value={prefix} maxlength={64} />
        </label>{" "}
        <button type="submit">Search</button>
      </form>
      {isEmpty && <p>No name begins with this.</p>}
    </>
  );
}

function Pages({ page, pages }: { readonly page: number; readonly pages: number }) {
  if (pages === 1) return <></>;
  return (
    <nav aria-label="Pages of databases">
      {page > 1 && <a href={`/?page=${page - 1}`}>Previous</a>}
      <span>{`Page ${page} of ${pages}`}</span>
      {page < pages && <a href={`/?page=${page + 1}`}>Next</a>}
    </nav>
  );
}

function Names({ prefix, next, isFirst }: Extract<List, { by: "name" }>) {
  if (isFirst && next === undefined) return <></>;
  const to = (more: Record<string, string>) => {
    const query = new URLSearchParams({ ...(prefix !== "" && { prefix }), ...more }).toString();
    return query === "" ? "/" : `/?${query}`;
  };
  return (
    <nav aria-label="Pages of databases">
      {!isFirst && <a href={to({})}>First page</a>}
      {next !== undefined && <a href={to({ after: next })}>Next</a>}
    </nav>
  );
}

interface RowOf {
  readonly database: FleetRow;
  /** True if any database of the page refreshes another one. */
  readonly refreshes: boolean;
  readonly now: number;
}

function Row({ database, refreshes, now }: RowOf) {
  const { name, state, days } = database;
  return (
    <tr>
      <td>
        <a href={`/databases/${name}`}>{name}</a>
      </td>
      <td>
        <State state={state} />
      </td>
      <td>
        <Strip days={days} />
      </td>
      <td data-of="Last backup">
        <When at={database.takenAt} now={now} />
      </td>
      <td data-of="Last drill">
        <When at={database.drilledAt} now={now} />
      </td>
      <td data-of="Next run">
        <When at={database.nextRunAt} now={now} />
      </td>
      <td data-of="Recovery point">
        <Objective objective={database.recoveryPoint} />
      </td>
      <td data-of="Recovery time">
        <Objective objective={database.recoveryTime} />
      </td>
      {refreshes && (
        <td data-of="Refresh">
          {database.refresh !== null && <Refreshed refresh={database.refresh} now={now} />}
        </td>
      )}
    </tr>
  );
}

/** What was measured, and whether it meets the objective. */
export function Objective({ objective }: { readonly objective: ObjectiveAnswer | null }) {
  if (objective === null || objective.measuredSeconds === null)
    return <span class="soft">not known</span>;
  const { state, measuredSeconds, objectiveSeconds } = objective;
  const measured = seconds(measuredSeconds);
  if (objectiveSeconds === null) return <span>{measured}</span>;
  const tone = state === "missed" ? "bad" : state === "at-risk" ? "warn" : "good";
  return <Word tone={tone}>{`${measured} of ${seconds(objectiveSeconds)}`}</Word>;
}

/** What the target of a refresh holds, and how the last one went. */
export function Refreshed({
  refresh: { into, last, lastGood },
  now,
}: {
  readonly refresh: RefreshAnswer;
  readonly now: number;
}) {
  const state = last?.state ?? "none yet";
  const tone = state === "done" ? "good" : state === "failed" ? "bad" : "idle";
  return (
    <>
      <Word tone={tone}>{state}</Word> {into} <When at={lastGood?.endedAt ?? null} now={now} />
      {lastGood !== null && <small>{`as of ${timeOf(lastGood.asOf)}`}</small>}
    </>
  );
}
