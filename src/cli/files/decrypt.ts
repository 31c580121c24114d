import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { asNightjarError, messageOf } from "../../errors/errors.ts";
import { eraseFromDump } from "../../format/dump/erase-dump.ts";
import { concerning, type Erasure } from "../../format/tables/erasure.ts";
import { tap } from "../../format/bytes/hash.ts";
import { loadableText } from "../../format/dump/loadable-dump.ts";
import { type Encryption, isWrittenAnew } from "../../model/manifest.ts";
import { storedFormat } from "../../plan/formats.ts";
import { bodyOf, type Client } from "../client.ts";
import { saveVerified } from "./download.ts";
import { eraseFromFile } from "./erase-file.ts";
import { CliError, EXIT } from "../exit.ts";
import { readIdentities } from "./identity.ts";
import { makeLink } from "../link.ts";
import { finishFile } from "./finish-file.ts";
import { createPrivate, withUnfinished } from "./unfinished.ts";
import { zstdDecompress } from "./zstd.ts";

/** An encrypted backup as the catalog has it. */
export interface Sealed {
  readonly id: string;
  readonly database: string;
  readonly takenAt: string;
  readonly kind: "dump" | "snapshot";
  /** Set if it is a dump that Nightjar wrote itself. */
  readonly method?: object | undefined;
  readonly raw: { readonly sha256: string };
  readonly stored: { readonly sha256: string };
  readonly encryption: Pick<Encryption, "content">;
  readonly warnings: readonly object[];
}

/**
 * Download an encrypted backup and open it on this machine, into `file`. Its bytes are checked as they
 * are stored, and what comes out of them too; then rows on the erasure list are deleted.
 *
 * @param identity the path of a file of identities
 * @param replaces whether a file of this name is replaced
 * @returns the bytes written, and how many entries of the erasure list were applied
 * @throws CliError
 */
export async function saveDecrypted(
  client: Client,
  backup: Sealed,
  format: string,
  identity: string | undefined,
  file: string,
  quiet: boolean,
  replaces = false,
): Promise<{ bytes: number; erasures: number }> {
  const stored = storedFormat(backup.kind, true);
  const compressed = stored.replace(".age", "");
  const plain = compressed.replace(".zst", "");
  if (format !== plain && format !== compressed)
    throw new CliError(
      EXIT.refused,
      `This backup is encrypted: it can be downloaded as ${stored}, or with --identity as ${plain} and ${compressed}, not as ${format}.`,
    );
  if (identity === undefined)
    throw new CliError(EXIT.usage, "This backup is encrypted.", {
      hint: `Give --identity <file> with one of its identities, or --format ${stored} for what is stored.`,
      code: "BACKUP_ENCRYPTED",
    });
  const identities = await readIdentities(identity);
  const erasures = await erasuresOf(client, backup);
  if (isWrittenAnew(backup) && format === compressed)
    throw new CliError(
      EXIT.refused,
      `The dump has what SQLite or a shell would read otherwise than its server: it can be downloaded as ${plain}, which rewrites those parts, not as ${compressed}.`,
      { hint: `Ask for ${plain}.` },
    );
  if (erasures.length > 0 && format === compressed)
    throw new CliError(
      EXIT.refused,
      `Rows were erased since this backup was made, and ${format} cannot be made without them.`,
      { hint: `Ask for ${plain}.`, code: "ERASURE_APPLIES" },
    );
  const { url } = await makeLink(client, backup.id, { format: stored, expiresIn: "6h" });
  const sealed = `${file}.${process.pid}.age`;
  const part = `${file}.${process.pid}.opened`;
  return withUnfinished([sealed, part], async () => {
    await saveVerified(url, { sha256: backup.stored.sha256, gzipped: false }, sealed, quiet);
    await openSealed(backup, format, identities, erasures, sealed, part);
    await finishFile(part, file, { replaces });
    return { bytes: (await stat(file)).size, erasures: erasures.length };
  });
}

/**
 * Open a stored file into `part`, which must not be kept when this throws.
 *
 * @throws CliError
 */
export async function openSealed(
  {
    kind,
    method,
    raw,
    encryption,
    warnings,
  }: Pick<Sealed, "kind" | "method" | "raw" | "encryption" | "warnings">,
  format: string,
  identities: readonly string[],
  erasures: readonly Erasure[],
  sealed: string,
  part: string,
): Promise<void> {
  const { decrypt } = await import("../../format/age/age.ts");
  const hash = createHash("sha256");
  const compressed = decrypt(createReadStream(sealed), identities);
  const content = tap(
    format.endsWith(".zst") ? compressed : zstdDecompress(compressed),
    (chunk) => void hash.update(chunk),
  );
  const origin = method === undefined ? "server" : "nightjar";
  const text =
    format === "sql" && erasures.length > 0
      ? eraseFromDump(content, erasures, origin, () => {})
      : content;
  try {
    await pipeline(
      format === "sql" && isWrittenAnew({ kind, warnings }) ? loadableText(text) : text,
      createWriteStream(part, { fd: createPrivate(part) }),
    );
  } catch (thrown) {
    const { code, hint } = asNightjarError(thrown);
    throw new CliError(EXIT.failed, `The backup was not opened: ${messageOf(thrown)}`, {
      hint: code === "OBJECT_CORRUPT" ? "Choose another backup; nothing was kept." : hint,
      code,
    });
  }
  const expected = format.endsWith(".zst") ? encryption.content : raw;
  if (hash.digest("hex") !== expected.sha256)
    throw new CliError(EXIT.failed, `What is in the ${kind} is not what was captured.`, {
      hint: "Choose another backup; nothing was kept.",
    });
  if (format === "db" && erasures.length > 0) await eraseFromFile(part, erasures);
}

/** The entries of the erasure list that concern a backup: Nightjar cannot apply them to what it cannot read. */
async function erasuresOf(client: Client, { database: db, takenAt }: Sealed): Promise<Erasure[]> {
  const { erasures } = await bodyOf(client.v1.databases[":db"].erasures.$get({ param: { db } }));
  return concerning(erasures, takenAt);
}
