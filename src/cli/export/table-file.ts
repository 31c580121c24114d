import { createHash } from "node:crypto";
import { closeSync, writeSync } from "node:fs";
import type { BlobForm, TextContent } from "../../format/rows/choice.ts";
import { csvField, csvHeader, csvLine } from "../../format/rows/csv.ts";
import { DOCUMENT } from "../../format/rows/json-row.ts";
import type { JsonValue } from "../../format/rows/json-value.ts";
import { createPrivate } from "../files/unfinished.ts";
import type { SidecarFile, SidecarTable } from "./sidecar.ts";

/** Characters that are collected before they are written. */
const CHUNK = 256 * 1024;

/** A file that is hashed while it is written. */
export class HashedFile {
  readonly #descriptor: number;
  readonly #hash = createHash("sha256");
  #bytes = 0;
  #text = "";

  /** Create the file, which must not be there. */
  constructor(path: string) {
    this.#descriptor = createPrivate(path);
  }

  write(text: string): void {
    this.#text += text;
    if (this.#text.length >= CHUNK) this.#flush();
  }

  writeBytes(bytes: Uint8Array): void {
    this.#flush();
    this.#put(bytes);
  }

  /** Close the file, and return what it has become. */
  end(): Omit<SidecarFile, "file"> {
    this.#flush();
    this.close();
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #flush(): void {
    this.#put(Buffer.from(this.#text));
    this.#text = "";
  }

  #put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.#descriptor, bytes, at);
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
  }
}

/** Writes the rows of one table, as they come in NDJSON, in the form that is wanted. */
export class TableFile {
  readonly #file: HashedFile;
  readonly #table: string;
  readonly #columns: readonly string[];
  readonly #form: TextContent;
  readonly #blobForm: BlobForm;
  /** Columns of CSV that have BLOBs, and those that have something else. */
  readonly #blobs = new Set<string>();
  readonly #others = new Set<string>();
  #rows = 0;

  constructor(
    file: HashedFile,
    { name, columns }: { readonly name: string; readonly columns: readonly string[] },
    form: TextContent,
    blobForm: BlobForm,
  ) {
    this.#file = file;
    this.#table = name;
    this.#columns = columns;
    this.#form = form;
    this.#blobForm = blobForm;
    if (form === "json") file.write(DOCUMENT.start(name, true));
    if (form === "csv") file.write(csvHeader(columns));
  }

  /** @param row a JSON object on one line */
  add(row: string): void {
    if (this.#form === "ndjson") this.#file.write(`${row}\n`);
    else if (this.#form === "json") this.#file.write(DOCUMENT.row(this.#rows === 0) + row);
    else this.#addCsv(JSON.parse(row) as Record<string, JsonValue>);
    this.#rows++;
  }

  #addCsv(row: Readonly<Record<string, JsonValue>>): void {
    const fields = this.#columns.map((column) => {
      const value = row[column]!;
      if (value !== null) {
        const isBlob = typeof value === "object" && "blob" in value;
        (isBlob ? this.#blobs : this.#others).add(column);
        // CSV has no form of its own for it.
        if (typeof value === "object" && "text" in value) this.#blobs.add(column);
      }
      return csvField(value, this.#blobForm);
    });
    this.#file.write(csvLine(fields));
  }

  end(): Omit<SidecarTable, "file" | "sequence"> {
    if (this.#form === "json")
      this.#file.write(DOCUMENT.end(this.#rows === 0) + DOCUMENT.close(false));
    const made = this.#file.end();
    const mixed = [...this.#blobs].filter((column) => this.#others.has(column));
    const blobs = [...this.#blobs].filter((column) => !this.#others.has(column));
    return {
      ...{ name: this.#table, columns: [...this.#columns], rows: this.#rows, ...made },
      ...{ blobs: blobs.toSorted(), mixed: mixed.toSorted() },
    };
  }
}
