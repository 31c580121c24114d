/** A family of metrics as it was read. */
export interface ReadFamily {
  readonly type: string;
  readonly unit: string | undefined;
  readonly help: string;
  readonly samples: { labels: Record<string, string>; value: number }[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const META = new RegExp(`^# (TYPE|UNIT|HELP) (${NAME}) (.*)$`, "s");
const SAMPLE = new RegExp(String.raw`^(${NAME})(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]\d+)?)$`, "s");
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,(?!$)|$)/y;

/**
 * Read OpenMetrics by the rules of its specification, as far as gauges, infos and state sets need them, and
 * refuse everything that breaks one.
 */
export function readOpenMetrics(text: string): Map<string, ReadFamily> {
  const families = new Map<string, ReadFamily>();
  if (!text.endsWith("# EOF\n")) throw new Error("the end is missing");
  let current: string | undefined;
  const seen = new Set<string>();
  for (const line of text.slice(0, -"# EOF\n".length).split("\n").slice(0, -1)) {
    const meta = META.exec(line);
    if (meta !== null) {
      const [, kind, name, rest] = meta as unknown as [string, string, string, string];
      if (kind === "TYPE") {
        if (families.has(name)) throw new Error(`${name} comes twice`);
        if (!["gauge", "info", "stateset"].includes(rest)) throw new Error(`type ${rest}`);
        families.set(name, { type: rest, unit: undefined, help: "", samples: [] });
        current = name;
      } else if (name !== current) throw new Error(`${kind} of ${name} comes too late`);
      else {
        const family = families.get(name)!;
        if (family.samples.length > 0) throw new Error(`${kind} of ${name} follows its samples`);
        if (kind === "UNIT" && !name.endsWith(`_${rest}`)) throw new Error(`unit of ${name}`);
        families.set(name, { ...family, [kind.toLowerCase()]: rest });
      }
      continue;
    }
    const [, name, labelText = "", value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) throw new Error(`no line of OpenMetrics: ${line}`);
    const family = families.get(current ?? "");
    const expected = family?.type === "info" ? `${current}_info` : current;
    if (name !== expected) throw new Error(`${name} is in the family ${current}`);
    const labels: Record<string, string> = {};
    LABEL.lastIndex = 0;
    while (LABEL.lastIndex < labelText.length) {
      const match = LABEL.exec(labelText);
      if (match === null) throw new Error(`labels of ${line}`);
      const [, label = "", written = ""] = match;
      if (label in labels) throw new Error(`label ${label} comes twice`);
      labels[label] = written.replaceAll(/\\(.)/g, (_, char: string) =>
        char === "n" ? "\n" : char,
      );
    }
    const identity = JSON.stringify([name, Object.entries(labels).map(String).toSorted()]);
    if (seen.has(identity)) throw new Error(`${line} comes twice`);
    seen.add(identity);
    if (family!.type === "stateset" && labels[current!] === undefined) throw new Error("no state");
    family!.samples.push({ labels, value: Number(value) });
  }
  return families;
}
