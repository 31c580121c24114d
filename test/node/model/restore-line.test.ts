import { expect, it } from "vitest";
import { parseRestoreLine } from "../../../src/model/restore-line.ts";

it.each([
  { plan: { tables: [] } },
  { state: "waiting" },
  { state: "writing", pages: 3, of: 9 },
  { done: { restore: "abc" } },
  { error: { code: "BUSY", message: "It is busy.", hint: "Wait." } },
])("takes a line of a restore: %j", (line) => {
  expect(parseRestoreLine(JSON.stringify(line))).toEqual(line);
});

it.each([
  "",
  "null",
  "[]",
  "{}",
  '{"plan":null}',
  '{"done":"yes"}',
  '{"state":"baking"}',
  '{"error":{"code":"BUSY"}}',
  '{"error":"no"}',
  '{"done":{"restore":"ab',
  "<html>502 Bad Gateway</html>",
])("refuses what is none: %s", (text) => {
  expect(() => parseRestoreLine(text)).toThrow();
});
