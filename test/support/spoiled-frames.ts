import { type Deps, systemDeps } from "../../src/core/deps.ts";

/** Replaces a frame by these frames, or breaks the connection before it. */
type Spoil = (frame: Uint8Array<ArrayBuffer>, number: number) => Uint8Array[] | "cut";

interface Spoiled {
  deps: Deps;
  /** The last part of every requested path. */
  calls: string[];
}

/**
 * Create a network that spoils the answers of one method: each frame, numbered from 0, goes through `spoil`.
 * `alter` may change a request's headers first.
 */
export function spoiling(
  method: string,
  spoil: Spoil = (frame) => [frame],
  alter: (headers: Headers, call: number) => void = () => {},
): Spoiled {
  const calls: string[] = [];
  const fetch: Deps["fetch"] = async (url, init) => {
    const called = url.slice(url.lastIndexOf("/") + 1);
    calls.push(called);
    if (called !== method) return systemDeps.fetch(url, init);
    const headers = new Headers(init.headers);
    alter(headers, calls.filter((call) => call === method).length - 1);
    const response = await systemDeps.fetch(url, { ...init, headers });
    if (response.body === null) return response;
    const { readable, writable } = new IdentityTransformStream();
    void pump(response.body, writable.getWriter(), spoil).catch(() => {}); // the reader left
    return new Response(readable, response);
  };
  return { deps: { ...systemDeps, fetch }, calls };
}

async function pump(
  body: ReadableStream<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  spoil: Spoil,
): Promise<void> {
  const reader = body.getReader();
  let held = new Uint8Array();
  let number = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const joined = new Uint8Array(held.length + value.length);
      joined.set(held);
      joined.set(value, held.length);
      held = joined;
      for (let length; (length = lengthOf(held)) <= held.length;) {
        const pieces = spoil(held.slice(0, length), number++);
        held = held.slice(length);
        if (pieces === "cut") {
          await writer.close();
          return;
        }
        for (const piece of pieces) await writer.write(piece);
      }
    }
    await writer.write(held);
    await writer.close();
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/**
 * Return the length of the first frame, by gRPC-web's header (a flag, 0 or 128, and a length) or Hrana's (a
 * varint of the length).
 */
function lengthOf(bytes: Uint8Array): number {
  if (bytes.length < 5) return Infinity;
  if (bytes[0] === 0 || bytes[0] === 0x80)
    return 5 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  let length = 0;
  for (let at = 0; ; at++) {
    length += (bytes[at]! & 0x7f) * 2 ** (7 * at);
    if (bytes[at]! < 0x80) return at + 1 + length;
  }
}
