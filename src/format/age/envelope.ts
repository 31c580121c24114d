import { NightjarError } from "../../errors/errors.ts";
import { concat, copyOf, decode } from "../bytes/bytes.ts";

const VERSION = "age-encryption.org/v1";
/** Bytes of a header at most. A header with a few recipients has some hundred bytes. */
const LONGEST_HEADER = 64 * 1024;
const MAC = /^--- [A-Za-z0-9+/]{43}$/;
const BASE64 = /^[A-Za-z0-9+/]{0,64}$/;
const NONCE = 16;
const CHUNK = 64 * 1024;
const TAG = 16;

/** The parts of an age file that are visible without a key. */
export interface Envelope {
  /** Types of the recipient stanzas, like `X25519`. */
  readonly stanzas: readonly string[];
  /** Bytes of the plaintext. */
  readonly contentBytes: number;
}

/**
 * Checks an age file as its bytes pass: each line of the header, and whether the payload can be complete
 * (https://github.com/C2SP/C2SP/blob/main/age.md). The payload is a nonce, then chunks of 64 KiB with a tag
 * of 16 bytes each. Only the last chunk may be shorter.
 */
export class EnvelopeInspector {
  #start: Uint8Array[] = [];
  #bytes = 0;
  #header: { readonly stanzas: readonly string[]; readonly bytes: number } | undefined;

  /** @throws NightjarError `OBJECT_CORRUPT` for an invalid header */
  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#header !== undefined) return;
    this.#start.push(copyOf(chunk));
    const start = concat(this.#start, this.#bytes);
    this.#start = [start];
    this.#header = readHeader(start);
    if (this.#header !== undefined) this.#start = [];
    else if (this.#bytes > LONGEST_HEADER) throw corrupt("its header does not end");
  }

  /** @throws NightjarError `OBJECT_CORRUPT` when the file cannot be complete */
  end(): Envelope {
    if (this.#header === undefined) throw corrupt("it ends within its header");
    const { stanzas, bytes } = this.#header;
    const payload = this.#bytes - bytes - NONCE;
    const rest = payload % (CHUNK + TAG);
    const chunks = Math.ceil(payload / (CHUNK + TAG));
    if (payload < TAG || (rest > 0 && rest < TAG) || (rest === TAG && chunks > 1))
      throw corrupt("its last chunk is cut");
    return { stanzas, contentBytes: payload - chunks * TAG };
  }
}

/** Read the header at the start of some bytes; return undefined while it is incomplete. */
function readHeader(start: Uint8Array): { stanzas: string[]; bytes: number } | undefined {
  const lines: string[] = [];
  let at = 0;
  for (;;) {
    const end = start.indexOf(0x0a, at);
    if (end === -1) return undefined;
    const line = decode(start.subarray(at, end));
    at = end + 1;
    if (lines.length === 0 && line !== VERSION) throw corrupt("its first line is not age's");
    lines.push(line);
    if (!line.startsWith("---")) continue;
    if (!MAC.test(line)) throw corrupt("its header has no authentication code");
    return { stanzas: stanzasIn(lines.slice(1, -1)), bytes: at };
  }
}

/**
 * Read the types of the stanzas. A stanza is a line of arguments, then its body: full lines of base64 and a
 * shorter one at the end.
 */
function stanzasIn(lines: readonly string[]): string[] {
  const types: string[] = [];
  let inBody = false;
  for (const line of lines)
    if (inBody) {
      if (!BASE64.test(line)) throw corrupt("a recipient in its header is not base64");
      inBody = line.length === 64;
    } else {
      const type = /^-> (\S+)(?: \S+)*$/.exec(line)?.[1];
      if (type === undefined) throw corrupt("its header has a line that belongs to no recipient");
      types.push(type);
      inBody = true;
    }
  if (inBody || types.length === 0) throw corrupt("its header names no whole recipient");
  return types;
}

function corrupt(what: string): NightjarError {
  return new NightjarError("OBJECT_CORRUPT", `It is no whole age file: ${what}.`);
}
