import { sql } from "drizzle-orm";
import type { DayFact } from "../plan/calendar.ts";
import { DAY } from "../plan/duration.ts";
import { type Catalog, query } from "./open.ts";
import { IS_KNOWN_BAD } from "./schema.ts";

/**
 * Read what happened on each day to databases, from a day on.
 *
 * @param from the first day, as its number since the epoch (UTC)
 * @param count days, the first one included
 * @returns the best fact of each day by database and day; days on which nothing happened are left out
 */
export function daysOf(
  catalog: Catalog,
  names: readonly string[],
  from: number,
  count: number,
): Promise<Map<string, Map<number, DayFact>>> {
  const list = JSON.stringify(names);
  const since = from * DAY;
  // Nothing had changed on any day between the first and the last at which the server was asked.
  const numbers = JSON.stringify(Array.from({ length: count }, (_, at) => from + at));
  // One row for each database, as a row for each day of each would take the most of the time.
  const rows = query("reading the last days", () =>
    catalog.all<{ database: string; days: string }>(sql`
      WITH wanted AS (SELECT value AS name FROM json_each(${list})),
      facts AS (
        SELECT b.database, CAST(b.taken_at / ${DAY} AS INTEGER) AS day,
          CASE
            WHEN ${IS_KNOWN_BAD} THEN 0
            WHEN json_extract(b.verification, '$.outcome') = 'verified' THEN
              CASE WHEN json_extract(b.manifest, '$.raw.sha256') = lag(json_extract(b.manifest, '$.raw.sha256'))
                OVER (PARTITION BY b.database ORDER BY b.taken_at) THEN 2 ELSE 3 END
            ELSE 1 END AS fact
        FROM wanted JOIN backups b ON b.database = wanted.name AND b.taken_at >= ${since}
        UNION ALL
        SELECT c.database, d.value, 2
        FROM wanted JOIN confirmations c ON c.database = wanted.name AND c.confirmed_at >= ${since}
        JOIN json_each(${numbers}) d ON d.value BETWEEN CAST(c.first_for / ${DAY} AS INTEGER) AND CAST(c.last_for / ${DAY} AS INTEGER)
        UNION ALL
        SELECT r.database, CAST(r.created_at / ${DAY} AS INTEGER), 0
        FROM wanted JOIN runs r ON r.database = wanted.name AND r.created_at >= ${since} AND r.state = 'failed'
      ),
      best AS (SELECT database, day, max(fact) AS fact FROM facts GROUP BY database, day)
      SELECT database, group_concat(day || ':' || fact) AS days FROM best GROUP BY database`),
  );
  return rows.then(
    (found) =>
      new Map(
        found.map(({ database, days }) => [
          database,
          new Map(days.split(",").map((day) => day.split(":").map(Number) as [number, DayFact])),
        ]),
      ),
  );
}
