/** One value, with what tells it apart from the others of its family. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Values of the same kind. */
export interface Family {
  /** With its unit at the end. */
  readonly name: string;
  readonly type: "gauge" | "info" | "stateset";
  readonly unit?: "seconds" | "bytes";
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** Of the text that `openMetrics` writes. */
export const OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** Write families as text of OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/). */
export function openMetrics(families: readonly Family[]): string {
  return `${families.map(textOf).join("")}# EOF\n`;
}

function textOf({ name, type, unit, help, samples }: Family): string {
  const suffix = type === "info" ? "_info" : "";
  const head = [
    `# TYPE ${name} ${type}`,
    ...(unit === undefined ? [] : [`# UNIT ${name} ${unit}`]),
    `# HELP ${name} ${escape(help)}`,
  ];
  const lines = samples.map(
    ({ labels = {}, value }) => `${name}${suffix}${labelsText(labels)} ${value}`,
  );
  return `${[...head, ...lines].join("\n")}\n`;
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
