import { encode } from "../../format/bytes/bytes.ts";
import type { BlobForm, TextContent } from "../../format/rows/choice.ts";
import { csvField, csvHeader, csvLine } from "../../format/rows/csv.ts";
import { DOCUMENT, jsonKeys, jsonRow, taggedAround } from "../../format/rows/json-row.ts";
import { type JsonValue, wholeReal } from "../../format/rows/json-value.ts";
import type { Image } from "../engine/image.ts";
import { Statement, TYPE } from "../engine/statement.ts";
import { readValue } from "../engine/value.ts";
import type { ExportPlan, ExportTable } from "./export-plan.ts";

/** Characters that are collected before they are passed on. */
const CHUNK = 64 * 1024;
/** Rows of one turn on the image at most. */
const TURN = 5000;

/**
 * Write the rows of an export. Memory stays at one chunk of about 64 KiB, or one row if that is larger.
 *
 * - `ndjson`: one row a line; where more than one table may be exported, `{"table":…,"row":…}`
 * - `json`: one document, `{"<table>":[…],…}`
 * - `csv`: one table, which the plan must have
 *
 * @param tagged true if each line of `ndjson` names its table
 * @throws NightjarError the image's
 */
export async function* writeExport(
  image: Image,
  { tables }: ExportPlan,
  content: TextContent,
  { tagged, blobs = "base64" }: { readonly tagged: boolean; readonly blobs?: BlobForm | undefined },
): AsyncGenerator<Uint8Array> {
  let isFirst = true;
  for (const table of tables) {
    if (content === "json") yield encode(DOCUMENT.start(table.name, isFirst));
    if (content === "csv") yield encode(csvHeader(table.columns.map(({ name }) => name)));
    const rows = yield* writeTable(image, table, lineOf(table, content, tagged, blobs));
    if (content === "json") yield encode(DOCUMENT.end(rows === 0));
    isFirst = false;
  }
  if (content === "json") yield encode(DOCUMENT.close(isFirst));
}

type Line = (values: readonly JsonValue[], first: boolean) => string;

function lineOf(
  { name, columns }: ExportTable,
  content: TextContent,
  tagged: boolean,
  blobs: BlobForm,
): Line {
  if (content === "csv") return (values) => csvLine(values.map((value) => csvField(value, blobs)));
  const keys = jsonKeys(columns.map((column) => column.name));
  if (content === "json") return (values, first) => DOCUMENT.row(first) + jsonRow(keys, values);
  const [before, after] = tagged ? taggedAround(name) : ["", ""];
  return (values) => `${before}${jsonRow(keys, values)}${after}\n`;
}

/** @returns the number of rows */
async function* writeTable(
  image: Image,
  { columns, select }: ExportTable,
  line: Line,
): AsyncGenerator<Uint8Array, number> {
  const rows = await image.exclusive(
    async (engine) => (await Statement.prepare(engine, encode(select))).statement!,
  );
  let count = 0;
  try {
    for (let more = true; more;) {
      let text = "";
      // One turn at a time, so that a reader that stops here does not block the image.
      more = await image.exclusive(async () => {
        for (let turn = TURN; turn > 0 && text.length < CHUNK; turn--) {
          const here = rows.step();
          if (!(typeof here === "boolean" ? here : await here)) return false;
          const values = columns.map(({ real }, at) => readExact(rows, at, real));
          text += line(values, count === 0);
          count++;
        }
        return true;
      });
      if (text !== "") yield encode(text);
    }
  } finally {
    if (!image.closed) await image.exclusive(() => rows.finalize());
  }
  return count;
}

/** Return the column's value in a form that also tells a whole REAL from an INTEGER. */
export function readExact(row: Statement, at: number, real: boolean): JsonValue {
  const value = readValue(row, at);
  return !real && typeof value === "number" && row.type(at) === TYPE.REAL && Number.isInteger(value)
    ? wholeNumber(value)
    : value;
}

/** JSON's whole numbers beyond 2^53 are REALs by themselves. */
const wholeNumber = (value: number): JsonValue =>
  Number.isSafeInteger(value) ? wholeReal(value) : value;
