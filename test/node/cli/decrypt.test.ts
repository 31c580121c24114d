import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSealed } from "../../../src/cli/files/decrypt.ts";
import { readIdentities } from "../../../src/cli/files/identity.ts";
import { encrypt } from "../../../src/format/age/age.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";

const dir = mkdtempSync(join(tmpdir(), "nightjar-decrypt-"));
afterAll(() => rmSync(dir, { recursive: true }));

const TEXT = Buffer.from("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
let identity: string;
let recipient: string;

beforeAll(async () => {
  identity = await generateIdentity();
  recipient = await identityToRecipient(identity);
});

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

let files = 0;
/** Open a dump with the encrypted content `content`, as the manifest of TEXT describes it. */
async function open(content: Uint8Array, format: string, of = identity) {
  const [sealed, part] = [join(dir, `${files}.age`), join(dir, `${files++}.part`)];
  writeFileSync(sealed, await gather(encrypt(once(content), [recipient])));
  const compressed = zstdCompressSync(TEXT);
  const known = {
    kind: "dump",
    raw: { sha256: sha256(TEXT) },
    warnings: [],
    encryption: { content: { bytes: compressed.length, sha256: sha256(compressed) } },
  } as const;
  await openSealed(known, format, [of], [], sealed, part);
  return readFileSync(part);
}

describe("opening what is stored", () => {
  it("gives what was captured, compressed or not", async () => {
    const content = zstdCompressSync(TEXT);
    expect((await open(content, "sql")).equals(TEXT)).toBe(true);
    expect((await open(content, "sql.zst")).equals(content)).toBe(true);
  });

  it("refuses anything else, however well it is encrypted", async () => {
    const other = zstdCompressSync(Buffer.from("BEGIN;"));
    for (const format of ["sql", "sql.zst"])
      await expect(open(other, format), format).rejects.toThrow("is not what was captured");
    await expect(open(TEXT, "sql")).rejects.toThrow("The backup was not opened");
    const stranger = await generateIdentity();
    await expect(open(other, "sql", stranger)).rejects.toMatchObject({ code: "IDENTITY_UNFIT" });
  });
});

describe("a file of identities", () => {
  const file = (text: string) => {
    const path = join(dir, `${files++}.txt`);
    writeFileSync(path, text);
    return path;
  };

  it("is read as age-keygen writes it", async () => {
    const other = await generateIdentity();
    const text = `# created: now\r\n# public key: ${recipient}\r\n${identity}\r\n\n${other}`;
    expect(await readIdentities(file(text))).toEqual([identity, other]);
  });

  it("is refused when it is none, without repeating it", async () => {
    for (const [text, words] of [
      ["", "is not a file of age identities"],
      [`${identity}x`, "is not a file of age identities"],
      [recipient, "is not a file of age identities"],
      ["age-encryption.org/v1\n-> scrypt", "encrypted with a passphrase"],
    ] as const) {
      const refused = readIdentities(file(text));
      await expect(refused).rejects.toMatchObject({ exit: 2 });
      await expect(refused).rejects.toThrow(words);
      await expect(refused).rejects.not.toThrow(identity.slice(16, 40));
    }
    await expect(readIdentities(join(dir, "nowhere"))).rejects.toThrow("cannot be read");
  });
});
