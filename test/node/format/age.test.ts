import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generateHybridIdentity, generateIdentity, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  decrypt,
  encrypt,
  identityMistake,
  recipientMistake,
} from "../../../src/format/age/age.ts";
import { EnvelopeInspector } from "../../../src/format/age/envelope.ts";
import { openAge } from "../../support/age-by-hand.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";

let mine: string;
let other: string;
let recipients: string[];

beforeAll(async () => {
  mine = await generateIdentity();
  other = await generateIdentity();
  recipients = [await identityToRecipient(mine), await identityToRecipient(other)];
});

async function* cut(bytes: Uint8Array, step: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.slice(at, at + step);
}

function look(file: Uint8Array, step = file.length) {
  const inspector = new EnvelopeInspector();
  for (let at = 0; at < file.length; at += step) inspector.push(file.subarray(at, at + step));
  return inspector.end();
}

const CHUNK = 65_536;
const content = fc
  .tuple(
    fc.oneof(fc.nat(300), fc.constantFrom(CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7)),
    fc.nat(255),
  )
  .map(([length, seed]) => Uint8Array.from({ length }, (_, at) => (at * 31 + seed) & 0xff));
const step = fc.constantFrom(1, 13, 65_536, 65_552, 300_000);

describe("an age file", () => {
  it("is opened by any of its identities, and by an implementation of its own", async () => {
    await fc.assert(
      fc.asyncProperty(content, step, async (bytes, by) => {
        const file = await gather(encrypt(cut(bytes, Math.max(by, 13)), recipients));
        for (const identity of [mine, other]) {
          expect(Buffer.compare(openAge(file, identity), bytes)).toBe(0);
          const opened = await gather(decrypt(cut(file, Math.max(by, 13)), [identity]));
          expect(Buffer.compare(opened, bytes)).toBe(0);
        }
        const stanzas = ["X25519", "X25519"];
        expect(look(file, by)).toEqual({ stanzas, contentBytes: bytes.length });
      }),
      { numRuns: 30 },
    );
  });

  it("may be for recipients of the post-quantum kind", async () => {
    const hybrid = await generateHybridIdentity();
    const recipient = await identityToRecipient(hybrid);
    const file = await gather(encrypt(cut(new Uint8Array(9), 9), [recipient]));
    expect(await gather(decrypt(cut(file, 1000), [hybrid]))).toEqual(new Uint8Array(9));
    expect(look(file)).toMatchObject({ stanzas: [expect.any(String)], contentBytes: 9 });
  });

  it("is not opened by anybody else", async () => {
    const file = await gather(encrypt(cut(new Uint8Array(10), 10), recipients.slice(1)));
    const opened = gather(decrypt(cut(file, file.length), [mine]));
    await expect(opened).rejects.toMatchObject({ code: "IDENTITY_UNFIT" });
  });

  it("does not open when any byte of it is another, or missing", async () => {
    const bytes = new Uint8Array(CHUNK + 100);
    const file = await gather(encrypt(cut(bytes, CHUNK), recipients.slice(0, 1)));
    const header = file.length - bytes.length - 16 - 2 * 16;
    const places = [...Array(header + 20).keys(), CHUNK, file.length - 20, file.length - 1];
    for (const at of places) {
      const spoiled = file.slice();
      spoiled[at]! ^= 1;
      await expect(gather(decrypt(cut(spoiled, CHUNK), [mine])), String(at)).rejects.toThrow();
    }
    for (const length of [0, 10, header, header + 16, header + 16 + CHUNK + 16, file.length - 1])
      await expect(
        gather(decrypt(cut(file.subarray(0, length), CHUNK), [mine])),
        String(length),
      ).rejects.toThrow();
  });

  it("fails with its source, and never ends like a whole one", async () => {
    async function* broken(): AsyncIterable<Uint8Array> {
      yield new Uint8Array(100_000);
      throw new Error("the source is gone");
    }
    await expect(gather(encrypt(broken(), recipients))).rejects.toThrow("the source is gone");
    await expect(gather(decrypt(broken(), [mine]))).rejects.toThrow();
  });

  it("lets go of its source when its reader leaves", async () => {
    let left = false;
    async function* endless(): AsyncIterable<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(100_000);
      } finally {
        left = true;
      }
    }
    for await (const chunk of encrypt(endless(), recipients)) if (chunk.length > 1000) break;
    await expect.poll(() => left).toBe(true);
  });
});

describe("golden files", () => {
  // This key protects nothing else.
  const key = "AGE-SECRET-KEY-15M9P0L6EZA7H6EP94FG4M8VE0L7S9HZSAGURUR26XLHF7NXVRD6QW5RV6E";

  it.each(["age-v1.age", "age-program-1.1.1.age"])("are opened: %s", async (name) => {
    const file = readFileSync(join(import.meta.dirname, "../../golden", name));
    const text = "What was written with one version is read with every later one.\n";
    expect(openAge(file, key).toString()).toBe(text);
    expect(Buffer.from(await gather(decrypt(cut(file, 50), [key]))).toString()).toBe(text);
    expect(look(file)).toEqual({ stanzas: ["X25519"], contentBytes: text.length });
  });
});

describe("the look at an age file without a key", () => {
  it("refuses every one that is cut where no chunk ends, and every line that is none of a header", async () => {
    const file = await gather(encrypt(cut(new Uint8Array(40), 40), recipients.slice(0, 1)));
    for (let length = 0; length < file.length - 40; length++)
      expect(() => look(file.subarray(0, length)), String(length)).toThrow(/no whole age file/);
    const text = Buffer.from(file).toString("latin1");
    for (const [from, to] of [
      ["age-encryption.org/v1", "age-encryption.org/v2"],
      ["-> X25519", "=> X25519"],
      ["\n--- ", "\n---"],
      ["\n--- ", "\n--- A"],
      [/\n-> [^-]*/, ""],
      [/(-> X25519 [^\n]*\n)[^\n]*\n/, "$1"],
      [/(-> X25519 [^\n]*\n)/, "$1!"],
    ] as const)
      expect(() => look(Buffer.from(text.replace(from, to), "latin1")), String(from)).toThrow(
        /no whole age file/,
      );
    const mac = `--- ${"A".repeat(43)}\n`;
    const body = "B".repeat(64);
    for (const header of [mac, `-> X25519 a\n${body}\n${mac}`, `-> X25519 a\n${mac}`]) {
      const whole = Buffer.concat([
        Buffer.from(`age-encryption.org/v1\n${header}`),
        new Uint8Array(50),
      ]);
      expect(() => look(whole), header).toThrow(/no whole age file/);
    }
    const inspector = new EnvelopeInspector();
    const line = Buffer.from(`age-encryption.org/v1\n-> X25519 a\n${`${body}\n`.repeat(900)}`);
    inspector.push(line);
    expect(() => inspector.push(line.subarray(-10_000))).toThrow(/does not end/);
  });

  it("takes no empty last chunk but for nothing at all", async () => {
    const empty = await gather(encrypt(cut(new Uint8Array(), 1), recipients));
    expect(look(empty).contentBytes).toBe(0);
    const one = await gather(encrypt(cut(new Uint8Array(CHUNK), CHUNK), recipients));
    expect(look(one).contentBytes).toBe(CHUNK);
    const longer = Buffer.concat([one, new Uint8Array(16)]);
    expect(() => look(longer)).toThrow(/last chunk/);
    for (let rest = 1; rest < 16; rest++)
      expect(() => look(Buffer.concat([one, new Uint8Array(rest)]))).toThrow(/last chunk/);
  });
});

describe("keys", () => {
  it("are told from what is none", () => {
    expect(recipientMistake(recipients[0]!)).toBeUndefined();
    expect(recipientMistake(recipients[0]!.slice(0, -1))).toBeDefined();
    expect(recipientMistake("ssh-ed25519 AAAA")).toBeDefined();
    expect(identityMistake(mine)).toBeUndefined();
    const mistake = identityMistake(`${mine}X`);
    expect(mistake).toBeDefined();
    expect(mistake).not.toContain(mine.slice(16, 30));
  });
});
