interface Series {
  readonly title: string;
  /** ms and a value each, the oldest first. */
  readonly points: readonly (readonly [number, number])[];
  readonly format: (value: number) => string;
}

const WIDTH = 480;
const HEIGHT = 120;
const LEFT = 70;
const BOTTOM = 18;

/** A value over time, from zero on. */
export function Chart({ title, points, format }: Series) {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || points.length < 2)
    return (
      <figure>
        <figcaption>{title}: not enough backups for a chart yet.</figcaption>
      </figure>
    );
  const most = Math.max(1, ...points.map(([, value]) => value));
  const x = (at: number) =>
    LEFT + ((at - first[0]) / Math.max(1, last[0] - first[0])) * (WIDTH - LEFT - 4);
  const y = (value: number) => 6 + (1 - value / most) * (HEIGHT - BOTTOM - 6);
  const line = points.map(([at, value]) => `${x(at).toFixed(0)},${y(value).toFixed(1)}`).join(" ");
  const day = (at: number) => new Date(at).toISOString().slice(0, 10);
  return (
    <figure>
      <figcaption>{title}</figcaption>
      <svg
        class="chart"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${title}: ${format(first[1])} on ${day(first[0])}, ${format(last[1])} on ${day(last[0])}, at most ${format(most)}`}
      >
        <line x1={LEFT} y1={y(0)} x2={WIDTH} y2={y(0)} />
        <line x1={LEFT} y1={y(most)} x2={WIDTH} y2={y(most)} />
        <polyline points={line} />
        <text x={LEFT - 6} y={y(most) + 4} text-anchor="end">
          {format(most)}
        </text>
        <text x={LEFT - 6} y={y(0)} text-anchor="end">
          {format(0)}
        </text>
        <text x={LEFT} y={HEIGHT - 4}>
          {day(first[0])}
        </text>
        <text x={WIDTH - 4} y={HEIGHT - 4} text-anchor="end">
          {day(last[0])}
        </text>
      </svg>
    </figure>
  );
}
