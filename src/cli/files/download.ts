import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { messageOf } from "../../errors/errors.ts";
import { type Encryption, isWrittenAnew } from "../../model/manifest.ts";
import { storedFormat } from "../../plan/formats.ts";
import { CliError, EXIT } from "../exit.ts";
import { finishFile } from "./finish-file.ts";
import { Progress } from "../progress.ts";
import { download } from "./resume.ts";
import { createPrivate, withUnfinished } from "./unfinished.ts";

/** The bytes of a backup as the catalog has them. */
interface Hashed {
  kind: "dump" | "snapshot";
  encryption?: Encryption | undefined;
  raw: { sha256: string };
  stored: { sha256: string };
  warnings: readonly object[];
}

/** The hash that a download must have, and whether it is that of the text inside of a gzip. */
export interface Digest {
  sha256: string;
  gzipped: boolean;
}

/** Return the hash that a download must have; undefined for SQL that is made or rewritten on the way. */
export function digestIn(backup: Hashed, format: string): Digest | undefined {
  const { kind, encryption, raw, stored } = backup;
  if (encryption === undefined && isWrittenAnew(backup)) return undefined;
  if (format === storedFormat(kind, encryption !== undefined))
    return { sha256: stored.sha256, gzipped: false };
  if (kind === "snapshot" && format !== "db") return undefined;
  return { sha256: raw.sha256, gzipped: format === "sql.gz" };
}

/** Say how a download was checked, for people. */
export function checked(backup: Hashed, format: string): string {
  if (isWrittenAnew(backup)) return "written anew from the backup's checked dump, so that it loads";
  return digestIn(backup, format) === undefined
    ? "written from the backup's checked pages"
    : "checked against the backup's hash";
}

/**
 * Download a link into a part file, check it against its hash where there is one, and only then name it
 * `file`. A download that is made on the way breaks off when anything is wrong.
 *
 * @param replaces whether a file of this name is replaced
 * @returns the bytes written
 * @throws CliError `failed` when the bytes are cut or not those that they should be
 */
export async function saveVerified(
  url: string,
  expected: Digest | undefined,
  file: string,
  quiet: boolean,
  replaces = false,
): Promise<number> {
  const part = `${file}.${process.pid}.part`;
  return withUnfinished([part], async () => {
    const bytes = await save(url, expected, part, quiet);
    await finishFile(part, file, { replaces });
    return bytes;
  });
}

/**
 * Download a link to standard output, and check it against its hash at its end.
 *
 * @throws CliError `failed` when the bytes are cut or not those that they should be; `usage` for a terminal
 */
export async function streamVerified(url: string, expected: Digest | undefined): Promise<void> {
  if (process.stdout.isTTY)
    throw new CliError(EXIT.usage, "A database is written to a pipe, and not to a terminal.", {
      hint: "Pipe it, or name a file with --output.",
    });
  try {
    await save(url, expected, process.stdout, true);
  } catch (error) {
    if (!isClosedPipe(error)) throw error; // the reader has enough
  }
}

async function save(
  url: string,
  expected: Digest | undefined,
  to: string | NodeJS.WriteStream,
  quiet: boolean,
): Promise<number> {
  const { length, bytes: source } = await download(url);
  const hash = createHash("sha256");
  const gunzip = expected?.gzipped === true ? createGunzip() : undefined;
  const progress = new Progress(quiet);
  let bytes = 0;
  try {
    const hashing = gunzip && pipeline(gunzip, hash, { end: false });
    await pipeline(
      source,
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          bytes += chunk.length;
          if (gunzip === undefined) hash.update(chunk);
          else if (!gunzip.write(chunk)) await new Promise((go) => gunzip.once("drain", go));
          progress.count("downloading", bytes, length);
          yield chunk;
        }
        gunzip?.end();
        await hashing;
      },
      typeof to === "string" ? createWriteStream(to, { fd: createPrivate(to) }) : to,
      { end: typeof to === "string" },
    );
  } catch (error) {
    if (isClosedPipe(error)) throw error;
    throw new CliError(EXIT.failed, `The download broke off: ${messageOf(error)}`, {
      hint:
        typeof to === "string"
          ? "Run the command again; nothing was kept."
          : "Throw away what came, and run the command again.",
    });
  } finally {
    progress.end();
  }
  const found = hash.digest("hex");
  if (expected !== undefined && found !== expected.sha256)
    throw new CliError(EXIT.failed, "The bytes that came are not those of the backup.", {
      hint: "Run the command again; if it stays so, choose another backup.",
    });
  return bytes;
}

function isClosedPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EPIPE";
}
