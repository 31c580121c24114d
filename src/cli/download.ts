import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { messageOf } from "../errors.ts";
import { reach, refusal } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import { size } from "./output.ts";
import { Progress } from "./progress.ts";

interface Digests {
  raw: { sha256: string };
  stored: { sha256: string };
}

/**
 * Download a link into `part`, check it against the backup's hash, and only then name it `file`.
 *
 * @returns the bytes written
 * @throws CliError `failed` when the bytes are cut or not those that were stored
 */
export async function saveVerified(
  url: string,
  format: string,
  expected: Digests,
  file: string,
  part: string,
  quiet: boolean,
): Promise<number> {
  const response = await reach(fetch(url));
  if (!response.ok || response.body === null) throw await refusal(response);

  const hash = createHash("sha256");
  // What is hashed is what the manifest knows: the stored bytes, or the SQL text inside of the gzip.
  const gunzip = format === "sql.gz" ? createGunzip() : undefined;
  const progress = new Progress(quiet);
  let bytes = 0;
  try {
    const hashing = gunzip && pipeline(gunzip, hash, { end: false });
    await pipeline(
      response.body as unknown as AsyncIterable<Uint8Array>,
      async function* (source: AsyncIterable<Uint8Array>) {
        for await (const chunk of source) {
          bytes += chunk.length;
          if (gunzip === undefined) hash.update(chunk);
          else if (!gunzip.write(chunk)) await new Promise((go) => gunzip.once("drain", go));
          progress.show(`downloading ${size(bytes)}`);
          yield chunk;
        }
        gunzip?.end();
        await hashing;
      },
      createWriteStream(part, { flags: "wx" }),
    );
  } catch (error) {
    throw new CliError(EXIT.failed, `The download broke off: ${messageOf(error)}`, {
      hint: "Run the command again; nothing was kept.",
    });
  } finally {
    progress.end();
  }
  const wanted = format === "sql.zst" ? expected.stored.sha256 : expected.raw.sha256;
  if (hash.digest("hex") !== wanted)
    throw new CliError(EXIT.failed, "The bytes that came are not those of the backup.", {
      hint: "Run the command again; if it stays so, choose another backup.",
    });
  await rename(part, file);
  return bytes;
}
