import { NightjarError } from "../../errors/errors.ts";

/** Objects of a schema at most: it is held in memory as a whole, several times. No honest one has more. */
const MOST_OBJECTS = 100_000;
/** Bytes of the names and the text of one object at most. */
const LONGEST_OBJECT = 1024 * 1024;
/** Bytes of those of all objects at most. */
const LONGEST_SCHEMA = 8 * 1024 * 1024;

/** Counts the objects of a schema and their bytes, and refuses it when that is too much. */
export class SchemaSize {
  #objects = 0;
  #bytes = 0;

  /**
   * Count an object.
   *
   * @param bytes of its names and its text
   * @throws NightjarError `SCHEMA_TOO_LARGE`
   */
  add(bytes: number): void {
    this.#objects++;
    this.#bytes += bytes;
    if (bytes > LONGEST_OBJECT)
      throw tooLarge(`an object of ${bytes} bytes; one may have ${LONGEST_OBJECT}`);
    if (this.#bytes > LONGEST_SCHEMA) throw tooLarge(`more than ${LONGEST_SCHEMA} bytes of text`);
    if (this.#objects > MOST_OBJECTS) throw tooLarge(`more than ${MOST_OBJECTS} objects`);
  }
}

export function tooLarge(what: string): NightjarError {
  return new NightjarError("SCHEMA_TOO_LARGE", `The database's schema has ${what}.`, {
    hint: "Nothing was kept. Spread the database over several ones, or drop the objects that nobody uses: docs/limits.md tells how large a schema may be.",
  });
}
