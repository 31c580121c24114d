import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Parts of Hrana's answers in Protobuf (hrana/src/proto of tursodatabase/libsql). */

/** A value of SQLite in Hrana. Integers are bigint, so that none loses a digit. */
export type Value = null | bigint | number | string | Uint8Array;

/** Decode RowEntry { row = 1 }, or the row itself: Row { values = 1 } */
export function decodeRow(bytes: Uint8Array): Value[] {
  const values: Value[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) values.push(decodeValue(reader.bytes()));
    else reader.skip(type);
  }
  return values;
}

/** Decode Value { null = 1, integer (sint64) = 2, float = 3, text = 4, blob = 5 } */
function decodeValue(bytes: Uint8Array): Value {
  const reader = new BinaryReader(bytes);
  let value: Value = null;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 2) value = BigInt(reader.sint64());
    else if (field === 3) value = reader.double();
    else if (field === 4) value = reader.string();
    else if (field === 5) value = reader.bytes();
    else reader.skip(type);
  }
  return value;
}

/** Return an error's message: Error { message = 1, code = 2 }, or StepErrorEntry { step = 1, error = 2 } */
export function wordsOf(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type !== WireType.LengthDelimited) reader.skip(type);
    else if (field === 2) return wordsOf(reader.bytes());
    else return reader.string();
  }
  return "no reason given";
}
