import { messageOf } from "../../errors/errors.ts";
import type { BlobForm, TextContent } from "../../format/rows/choice.ts";
import { taggedAround } from "../../format/rows/json-row.ts";
import { CliError, EXIT } from "../exit.ts";
import { download } from "../files/resume.ts";
import { Progress } from "../progress.ts";
import { linesOf, textOf } from "./lines.ts";
import type { Sidecar, SidecarFile } from "./sidecar.ts";
import { HashedFile, TableFile } from "./table-file.ts";

/** A table that is exported, and its file. */
export interface Wanted {
  readonly name: string;
  readonly columns: readonly string[];
  readonly sequence: string | null;
  readonly file: string;
}

interface Writing {
  /** True if each line names its table. */
  readonly tagged: boolean;
  readonly rows: TextContent;
  readonly blobs: BlobForm;
  /** The name under which a file is made. */
  readonly partOf: (file: string) => string;
  readonly quiet: boolean;
}

/**
 * Read the rows of tables from one stream, and write each table's into its file.
 *
 * @throws CliError `failed` for a stream that breaks off or is not what it should be
 */
export async function writeRows(
  url: string,
  tables: readonly Wanted[],
  writing: Writing,
): Promise<Sidecar["tables"]> {
  const files = new TableFiles(tables, writing);
  await readLink(url, writing.quiet, async (bytes) => {
    for await (const lines of linesOf(bytes)) for (const line of lines) files.add(line);
    files.end();
  });
  return files.written;
}

/** The files of the tables of one stream, in which they come one after the other. */
class TableFiles {
  readonly written: Sidecar["tables"] = [];
  readonly #waiting: Wanted[];
  readonly #writing: Writing;
  #open: { readonly table: Wanted; readonly file: TableFile } | undefined;

  constructor(tables: readonly Wanted[], writing: Writing) {
    this.#waiting = [...tables];
    this.#writing = writing;
    this.#goOn();
  }

  /** @throws Error for a row of no table that is still to come */
  add(line: string): void {
    while (this.#open !== undefined) {
      const row = this.#writing.tagged ? rowIn(line, this.#open.table.name) : line;
      if (row !== undefined) {
        this.#open.file.add(row);
        return;
      }
      this.#goOn();
    }
    throw new Error("a row came of a table that was not told of");
  }

  end(): void {
    while (this.#open !== undefined) this.#goOn();
  }

  /** End the file of one table, and begin that of the next one. */
  #goOn(): void {
    if (this.#open !== undefined) {
      const { file, sequence } = this.#open.table;
      this.written.push({ ...this.#open.file.end(), file, sequence });
    }
    const { partOf, rows, blobs } = this.#writing;
    const table = this.#waiting.shift();
    this.#open = table && {
      table,
      file: new TableFile(new HashedFile(partOf(table.file)), table, rows, blobs),
    };
  }
}

/** Return the row of a line that names its table; undefined if it is another table's. */
function rowIn(line: string, table: string): string | undefined {
  const [before, after] = taggedAround(table);
  return line.startsWith(before) && line.endsWith(after)
    ? line.slice(before.length, -after.length)
    : undefined;
}

/** Write the statements of the schema into a file. @throws CliError `failed` */
export async function writeSchema(
  url: string,
  path: string,
  quiet: boolean,
): Promise<Omit<SidecarFile, "file">> {
  const file = new HashedFile(path);
  let end = "";
  await readLink(url, quiet, async (bytes) => {
    for await (const text of textOf(bytes)) {
      file.write(text);
      end = (end + text).slice(-10);
    }
    if (!end.endsWith("COMMIT;\n")) throw new Error("the SQL ended before its COMMIT");
  });
  return file.end();
}

/**
 * Read what a link leads to, and say so.
 *
 * @throws CliError `failed` for what `take` throws
 */
export async function readLink(
  url: string,
  quiet: boolean,
  take: (bytes: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const progress = new Progress(quiet);
  const { length, bytes: source } = await download(url);
  async function* shown(): AsyncIterable<Uint8Array> {
    let sum = 0;
    for await (const chunk of source) {
      sum += chunk.length;
      progress.count("exporting", sum, length);
      yield chunk;
    }
  }
  try {
    await take(shown());
  } catch (thrown) {
    throw new CliError(EXIT.failed, `The export broke off: ${messageOf(thrown)}.`, {
      hint: "Run the command again; nothing was kept.",
    });
  } finally {
    progress.end();
  }
}
