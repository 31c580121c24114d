import { NightjarError } from "../../errors/errors.ts";

/** A schema is held in memory as a whole, several times over: no honest one has more than this. */
const MOST_OBJECTS = 100_000;
/** The names and the text of one object; bytes. */
const LONGEST_OBJECT = 1024 * 1024;
/** Those of all objects; bytes. */
const LONGEST_SCHEMA = 8 * 1024 * 1024;

/** Counts what a schema has, and refuses it when that is too much. */
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
