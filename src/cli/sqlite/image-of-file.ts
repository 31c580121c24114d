import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { NightjarError } from "../../errors/errors.ts";
import { readDatabaseHeader } from "../../format/pages/database-header.ts";
import { type Image, openImageWith } from "../../sqlite/engine/image.ts";
import { readWasm } from "./wasm.ts";

/** Bytes of a database's header. */
const HEADER = 100;

/** WebAssembly as Node has it: the types of Workers omit compile(), because a Worker may not call it. */
const { compile } = WebAssembly as unknown as {
  compile(this: void, bytes: Uint8Array): Promise<WebAssembly.Module>;
};

/**
 * Open a database file of this machine as the Worker opens a backup, and run `use` with it. Nothing may
 * write to the file meanwhile.
 *
 * @param originals the text of schema objects that the file has without what only libSQL has, by name
 * @throws NightjarError as `openImageWith`; what `use` throws
 */
export async function withImageOf<T>(
  file: string,
  originals: ReadonlyMap<string, string>,
  use: (image: Image) => Promise<T>,
): Promise<T> {
  const wasm = await compile(readWasm("wa-sqlite-async"));
  const descriptor = openSync(file, "r");
  try {
    const image = await openImageWith(wasm, pagesOf(descriptor), originals);
    try {
      return await use(image);
    } finally {
      image.close();
    }
  } finally {
    closeSync(descriptor);
  }
}

function pagesOf(descriptor: number) {
  const header = new Uint8Array(HEADER);
  readSync(descriptor, header, 0, HEADER, 0);
  const { pageSize } = readDatabaseHeader(header);
  const page = new Uint8Array(pageSize);
  return {
    pageSize,
    pageCount: Math.floor(fstatSync(descriptor).size / pageSize),
    usePage<T>(pgno: number, read: (bytes: Uint8Array) => T): T {
      const from = (pgno - 1) * pageSize;
      if (readSync(descriptor, page, 0, pageSize, from) !== pageSize)
        throw new NightjarError("OBJECT_CORRUPT", `The file has no whole page ${pgno}.`);
      return read(page);
    },
  };
}
