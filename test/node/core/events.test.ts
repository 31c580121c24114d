import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import { EVENTS } from "../../../src/core/events.ts";

it("docs/events.md has every event of the log with its level and meaning", () => {
  const rows = readFileSync(join(ROOT, "docs/events.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  expect(rows.map(([, event, level]) => [event, level])).toEqual(
    Object.entries(EVENTS).map(([event, level]) => [`\`${event}\``, level]),
  );
  for (const [, event, , meaning] of rows) expect(meaning, event).toMatch(/^[A-Z].{15,}\.$/);
});

it("every event is written somewhere, and is a thing and what happened to it", () => {
  const source = globSync("src/**/*.ts", { cwd: ROOT })
    .filter((file) => !file.endsWith("core/events.ts"))
    .map((file) => readFileSync(join(ROOT, file), "utf8"))
    .join("\n");
  for (const event of Object.keys(EVENTS)) {
    expect(source, event).toContain(`"${event}"`);
    expect(event).toMatch(/^[a-z]+(-[a-z]+)+$/);
  }
});
