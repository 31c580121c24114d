import { createHash } from "node:crypto";
import * as v from "valibot";
import { asOfWords } from "../as-of.ts";
import { messageOf } from "../../errors/errors.ts";
import { pageFormOf } from "../../format/pages/first-page.ts";
import { isWhole, selectionOf } from "../../format/tables/selection.ts";
import { type Client, reach, refusal } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { print, printAside, printJson, size } from "../output.ts";
import { Progress } from "../progress.ts";
import { type Found, findSubject, type RestoreOptions } from "./options.ts";
import {
  apiBase,
  call,
  createForUpload,
  type MadeDatabase,
  mintToken,
  type NewDatabase,
  shapeOf,
} from "./turso-platform.ts";
import { ifStopped } from "../files/unfinished.ts";

const startedSchema = v.object({
  chunk_size: v.pipe(v.number(), v.integer(), v.minValue(1)),
  upload_id: v.union([v.string(), v.number()]),
});

/** The largest database that Turso's documentation promises to take, and the largest that its own CLI sends; bytes. */
const DOCUMENTED_SIZE = 2e9;
const LARGEST_SIZE = 20e9;

/** No more memory than this is given to one chunk, bytes. */
const LARGEST_CHUNK = 512 * 1024 * 1024;

/**
 * Make a new Turso database and upload the file to it, chunk by chunk as it comes from Nightjar; it is
 * finalized only when all bytes have come and hash to what they should.
 *
 * @throws CliError; with the code `RESTORE_INCOMPLETE` when the new database is there and not whole
 */
export async function restoreToTurso(
  client: Client,
  options: RestoreOptions,
  wanted: Omit<NewDatabase, "org" | "group"> & {
    org: string | undefined;
    group: string | undefined;
  },
): Promise<void> {
  const { org, group = "default" } = wanted;
  if (org === undefined) throw new CliError(EXIT.usage, "--to-turso needs --org.");
  const { overwrite, verify } = options;
  if (!isWhole(selectionOf(options)) || overwrite || verify)
    throw new CliError(
      EXIT.usage,
      "--to-turso uploads the whole file to a new database: --tables, --schema-only, --data-only, --overwrite and --verify are not for it.",
    );
  const base = apiBase(process.env);
  const found = await findSubject(client, options);
  if (found.kind === "dump")
    throw new CliError(
      EXIT.refused,
      "This backup is a dump, and Turso takes the upload of a file.",
      {
        hint: "Choose a backup by pages, or restore into an empty Turso database with --to libsql://….",
      },
    );
  if (found.open !== undefined)
    throw new CliError(EXIT.refused, "This backup is encrypted, and Nightjar cannot upload it.", {
      hint: "Restore it to a file with --to and --identity, and upload that: turso db create <name> --from-file <file>.",
      code: "BACKUP_ENCRYPTED",
    });
  refuseSize(found.bytes);
  if (options.dryRun) {
    if (options.json) printJson({ ...plan(found), org, group, name: wanted.name });
    else {
      const what = `${found.what} ${asOfWords(found)} (${size(found.bytes)})`;
      print(
        `Would make the database ${wanted.name} in ${org}, group ${group}, and upload ${what}.`,
      );
      print(found.loss.words);
    }
    return;
  }
  const url = await ifStopped(
    `The new database ${wanted.name} may be there, and incomplete: remove it with \`turso db destroy ${wanted.name}\`, then run the command again.`,
    () => upload(found, base, { ...wanted, org, group }, new Progress(options.json)),
  );
  if (options.json)
    printJson({
      url,
      name: wanted.name,
      asOf: found.asOf,
      takenAt: found.takenAt,
      bytes: found.bytes,
    });
  else {
    print(`${url}: ${size(found.bytes)}, ${found.what}, ${asOfWords(found)}.`);
    printAside(
      `To keep anybody from deleting it: turso db config delete-protection enable ${wanted.name}`,
    );
  }
}

/** Refuse a file that Turso does not take, before a database is made for it; tell of one that it may not take. */
function refuseSize(bytes: number): void {
  if (bytes > LARGEST_SIZE)
    throw new CliError(
      EXIT.refused,
      `The database has ${size(bytes)}, and Turso takes uploads of ${size(LARGEST_SIZE)} at the most.`,
      { hint: "Restore it to a libSQL server of your own, or ask Turso's support for a way." },
    );
  if (bytes > DOCUMENTED_SIZE)
    printAside(
      `Note: the database has ${size(bytes)}. Turso's documentation names ${size(DOCUMENTED_SIZE)} as the limit of an upload; its own CLI sends up to ${size(LARGEST_SIZE)}.`,
    );
}

function plan({ what, kind, asOf, takenAt, bytes, loss }: Found) {
  return { what, kind, asOf, takenAt, bytes, loss };
}

/** @returns the new database's address */
async function upload(
  found: Found,
  base: string,
  wanted: NewDatabase,
  progress: Progress,
): Promise<string> {
  const { url: link, digest } = await found.link("db");
  const response = await reach(fetch(link));
  if (!response.ok || response.body === null) throw await refusal(response);
  const file = new Chunks(response.body);
  try {
    refuseForm(await file.peek(100), found.bytes);
    return await uploadTo(base, wanted, file, found.bytes, digest?.sha256, progress);
  } finally {
    await file.close();
  }
}

/** @returns the new database's address */
async function uploadTo(
  base: string,
  wanted: NewDatabase,
  file: Chunks,
  bytes: number,
  sha256: string | undefined,
  progress: Progress,
): Promise<string> {
  const { url } = await createForUpload(base, wanted);
  try {
    const made: MadeDatabase = { url, token: await mintToken(base, wanted) };
    await sendAll(made, file, bytes, sha256, progress);
    return url;
  } catch (error) {
    const cause = error instanceof CliError ? error.message : messageOf(error);
    throw new CliError(
      EXIT.failed,
      `The restore stopped half-way, and the new database ${wanted.name} is incomplete: ${cause}`,
      {
        code: "RESTORE_INCOMPLETE",
        hint: `Remove it with \`turso db destroy ${wanted.name}\`, then run the command again.`,
      },
    );
  } finally {
    progress.end();
  }
}

async function sendAll(
  { url, token }: MadeDatabase,
  file: Chunks,
  bytes: number,
  sha256: string | undefined,
  progress: Progress,
): Promise<void> {
  const started = await call(`${url}/v2/upload/start`, {
    what: "starting the upload",
    method: "PUT",
    token,
    json: { db_size_bytes: bytes },
  });
  const start = await shapeOf(started, startedSchema, "starting the upload");
  const { chunk_size: chunkSize, upload_id: id } = start;
  if (chunkSize > LARGEST_CHUNK)
    throw new CliError(EXIT.failed, `Turso asks for chunks of ${size(chunkSize)}.`);
  let sent = 0;
  for (let number = 0; sent < bytes; number++) {
    const chunk = await file.take(Math.min(chunkSize, bytes - sent));
    if (number === 0) chunk.set([2, 2], 18); // Turso wants its databases in WAL mode
    await call(`${url}/v2/upload/${id}/chunk/${number}`, {
      what: `uploading chunk ${number}`,
      method: "PUT",
      token,
      bytes: chunk,
    });
    sent += chunk.length;
    progress.count("uploading", sent, bytes);
  }
  if (!(await file.ended()) || (sha256 !== undefined && file.digest() !== sha256))
    throw new CliError(
      EXIT.failed,
      "The bytes that came from Nightjar are not those of the backup.",
    );
  await call(`${url}/v2/upload/${id}/finalize`, { what: "finalizing", method: "PUT", token });
}

/** Turso takes databases of one form only. */
function refuseForm(header: Uint8Array, bytes: number): void {
  const { pageSize, autoVacuum, encoding, reserved } = pageFormOf(header);
  const why =
    pageSize !== 4096
      ? `its pages have ${pageSize} bytes, not 4096`
      : autoVacuum
        ? "auto_vacuum is on"
        : encoding !== 1
          ? "its text is not UTF-8"
          : reserved !== 0
            ? `it reserves ${reserved} bytes of each page`
            : bytes % pageSize === 0
              ? undefined
              : "its length is not a number of pages";
  if (why === undefined) return;
  throw new CliError(EXIT.refused, `Turso does not take this database: ${why}.`, {
    hint: "Restore into an empty Turso database with --to libsql://… --way statements.",
  });
}

/** A stream in pieces of the lengths that are asked for, hashed as it came. */
class Chunks {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #hash = createHash("sha256");
  #held: Uint8Array[] = [];
  #length = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The first bytes, which stay. */
  async peek(length: number): Promise<Uint8Array> {
    await this.#fill(length);
    return Buffer.concat(this.#held).subarray(0, length);
  }

  async take(length: number): Promise<Uint8Array<ArrayBuffer>> {
    await this.#fill(length);
    const taken = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const first = this.#held.shift()!;
      const part = first.subarray(0, length - at);
      taken.set(part, at);
      at += part.length;
      if (part.length < first.length) this.#held.unshift(first.subarray(part.length));
    }
    this.#length -= length;
    return taken;
  }

  /** Return true if nothing comes after the bytes that were taken. */
  async ended(): Promise<boolean> {
    return this.#length === 0 && (await this.#source.next()).done === true;
  }

  /** Close the source, also a broken one: its connection would keep the process alive. */
  async close(): Promise<void> {
    await this.#source.return?.().catch(() => undefined);
  }

  digest(): string {
    return this.#hash.digest("hex");
  }

  async #fill(length: number): Promise<void> {
    while (this.#length < length) {
      const { value, done } = await this.#source.next();
      if (done === true)
        throw new CliError(EXIT.failed, "The download from Nightjar ended early.", {
          hint: "Run the command again.",
        });
      this.#hash.update(value);
      this.#held.push(value);
      this.#length += value.length;
    }
  }
}
