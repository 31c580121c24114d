import { DAY_STATES, type DayState } from "../../plan/calendar.ts";
import { DAY } from "../../plan/duration.ts";

/** Count days by state, in words: `85 proven, 2 late, 1 failed`. */
function wordsOf(days: readonly DayState[]): string {
  return DAY_STATES.flatMap((state) => {
    const count = days.filter((day) => day === state).length;
    return count === 0 || state === "none" ? [] : [`${count} ${state}`];
  }).join(", ");
}

/** The last days of a database as a strip of 4 by 20 units a day. Days alike in a row are one dashed line. */
export function Strip({ days }: { readonly days: readonly DayState[] }) {
  const paths = new Map<DayState, string>();
  for (let at = 0; at < days.length;) {
    const state = days[at]!;
    let end = at + 1;
    while (days[end] === state) end++;
    paths.set(state, `${paths.get(state) ?? ""}M${at * 4} 10h${(end - at) * 4 - 1}`);
    at = end;
  }
  const label = `Last ${days.length} days: ${wordsOf(days) || "nothing yet"}`;
  return (
    <svg
      class="strip"
      viewBox={`0 0 ${days.length * 4} 20`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {[...paths].map(([state, d]) => (
        <path class={state} d={d} />
      ))}
    </svg>
  );
}

const CELL = 14;

/** The last days of a database as weeks, a column each, with every day's date where the reader points at it. */
export function Calendar({
  days,
  now,
}: {
  readonly days: readonly DayState[];
  readonly now: number;
}) {
  const first = Math.floor(now / DAY) - days.length + 1;
  // The first of January 1970 was a Thursday; weeks begin on Sunday.
  const offset = (first + 4) % 7;
  const weeks = Math.ceil((days.length + offset) / 7);
  return (
    <svg
      width={weeks * CELL}
      height={7 * CELL}
      viewBox={`0 0 ${weeks * CELL} ${7 * CELL}`}
      role="img"
      aria-label={`Last ${days.length} days: ${wordsOf(days) || "nothing yet"}`}
    >
      {days.map((state, at) => {
        const place = at + offset;
        const date = new Date((first + at) * DAY).toISOString().slice(0, 10);
        return (
          <rect
            class={state}
            x={String(Math.floor(place / 7) * CELL)}
            y={String((place % 7) * CELL)}
            width="12"
            height="12"
            rx="2"
          >
            <title>{`${date}: ${state === "none" ? "nothing was due" : state}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}

/** What the colours of days mean. */
export function Legend() {
  return (
    <ul class="legend">
      {DAY_STATES.map((state) => (
        <li>
          <svg viewBox="0 0 12 12" aria-hidden="true">
            <rect class={state} width="12" height="12" rx="2" />
          </svg>
          {state === "none" ? "nothing due" : state}
        </li>
      ))}
    </ul>
  );
}
