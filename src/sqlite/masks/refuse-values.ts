import { Buffer } from "node:buffer";
import { NightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { bytesOf, type MaskValue, valueAt } from "../../format/masks/mask.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { schemaValues } from "../../format/masks/schema-values.ts";
import { withoutComments } from "../../format/masks/without-comments.ts";
import { lowerName } from "../../format/tables/selection.ts";
import type { Image } from "../engine/image.ts";
import { Statement, TYPE } from "../engine/statement.ts";
import type { SchemaObject } from "../tables.ts";
import type { MaskedColumn, MaskPlan } from "./plan-masks.ts";
import { readColumns } from "../columns.ts";

/** Characters of a value that is looked for in a schema: digits of a number, bytes of anything else. */
const SHORTEST_NUMBER = 5;
const SHORTEST_TEXT = 3;
/** Bytes of a value that is also looked for inside of longer texts. */
const SHORTEST_PART = 5;
/** Rows of one turn on the image at most. */
const TURN = 5000;
/** Bits of the filter of the texts' parts. */
const FILTER = 2 ** 20;

/** A value that the schema holds, and the object that does. */
interface Found {
  readonly text: string;
  readonly object: SchemaObject;
}

/**
 * Refuse a schema whose text holds a value of a masked column: in a DEFAULT, a CHECK, an index, a view, a
 * trigger. Comments are not looked at: they are not given.
 *
 * @throws NightjarError `SANITIZE_UNSAFE` that names the object and the column, and never the value
 */
export async function refuseSchemaValues(
  image: Image,
  schema: readonly SchemaObject[],
  { masked }: MaskPlan,
): Promise<void> {
  const values = new SchemaTexts(schema, await namesOf(image, schema));
  if (values.empty) return;
  for (const [table, columns] of Map.groupBy(masked, (column) => column.table))
    await scan(image, table, columns, values);
}

async function scan(
  image: Image,
  table: string,
  columns: readonly MaskedColumn[],
  values: SchemaTexts,
): Promise<void> {
  const list = columns.map(({ name }) => quoteName(name)).join(",");
  const sql = encode(`SELECT ${list} FROM ${quoteName(table)}`);
  const rows = await image.exclusive(
    async (engine) => (await Statement.prepare(engine, sql)).statement!,
  );
  try {
    for (let more = true; more;)
      more = await image.exclusive(async () => {
        for (let turn = TURN; turn > 0; turn--) {
          const here = rows.step();
          if (!(typeof here === "boolean" ? here : await here)) return false;
          for (const [at, column] of columns.entries()) refuse(values, column, valueIn(rows, at));
        }
        return true;
      });
  } finally {
    if (!image.closed) await image.exclusive(() => rows.finalize());
  }
}

function refuse(values: SchemaTexts, column: MaskedColumn, whole: MaskValue | undefined): void {
  const { table, name, path } = column;
  const value = whole && path !== undefined ? valueAt(whole, path) : whole;
  const object = value && values.holderOf(value);
  if (object === undefined) return;
  throw new NightjarError(
    "SANITIZE_UNSAFE",
    `The text of the ${object.type} ${object.name} in the schema holds a value of ${table}.${name}, which is masked.`,
  );
}

/** The values in the text of a schema, to look others up in. Letters of ASCII are compared without case. */
class SchemaTexts {
  readonly #numbers = new Map<string, SchemaObject>();
  readonly #whole = new Map<string, SchemaObject>();
  readonly #texts: Found[] = [];
  /** Says of most values at once that they are no part of any text. */
  readonly #filter = new Uint8Array(FILTER / 8);

  constructor(schema: readonly SchemaObject[], names: ReadonlySet<string>) {
    for (const object of schema)
      for (const { text: written, isNumber } of schemaValues(
        withoutComments(object.sql ?? ""),
        names,
      )) {
        const text = lowerName(written);
        if (isNumber) {
          this.#numbers.set(text, object);
          continue;
        }
        this.#whole.set(text, object);
        if (text.length < SHORTEST_PART) continue;
        this.#texts.push({ text, object });
        for (let at = 0; at <= text.length - SHORTEST_PART; at++) {
          const bit = bitOf(text, at);
          this.#filter[bit >> 3]! |= 1 << (bit & 7);
        }
      }
  }

  get empty(): boolean {
    return this.#numbers.size === 0 && this.#whole.size === 0;
  }

  /** Return the object whose text holds a value; undefined if none does. */
  holderOf(value: MaskValue): SchemaObject | undefined {
    const isNumber = value.type === "integer" || value.type === "real";
    const written = lowerName(Buffer.from(bytesOf(value)).toString("latin1"));
    const text = isNumber ? written.replace(/^-/, "") : written;
    if (text.length < (isNumber ? SHORTEST_NUMBER : SHORTEST_TEXT)) return undefined;
    const whole = this.#whole.get(text);
    if (whole !== undefined) return whole;
    if (text.length < SHORTEST_PART) return undefined;
    const number = this.#numbers.get(text);
    if (number !== undefined) return number;
    const bit = bitOf(text, 0);
    if ((this.#filter[bit >> 3]! & (1 << (bit & 7))) === 0) return undefined;
    return this.#texts.find((one) => one.text.includes(text))?.object;
  }
}

function bitOf(text: string, at: number): number {
  let hash = 0;
  for (let end = at + SHORTEST_PART; at < end; at++)
    hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return (hash >>> 0) % FILTER;
}

function valueIn(row: Statement, at: number): MaskValue | undefined {
  switch (row.type(at)) {
    case TYPE.INTEGER:
      return { type: "integer", value: BigInt(row.integer(at)) };
    case TYPE.REAL:
      return { type: "real", value: row.real(at) };
    case TYPE.TEXT:
      return { type: "text", bytes: row.view(at) };
    case TYPE.BLOB:
      return { type: "blob", bytes: row.view(at) };
    default:
      return undefined;
  }
}

/** The names of all objects and columns of a schema, in lower case. */
async function namesOf(image: Image, schema: readonly SchemaObject[]): Promise<Set<string>> {
  const names = new Set(schema.map(({ name }) => lowerName(name)));
  for (const { type, name, rootpage } of schema) {
    if (type !== "table" || rootpage === 0) continue;
    for (const column of await readColumns(image, name)) names.add(lowerName(column.name));
  }
  return names;
}
