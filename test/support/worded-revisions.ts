import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Deps, systemDeps } from "../../src/core/deps.ts";

const WORD = "main.";

/**
 * Have a server's revisions be words, as the protocol allows, where Turso's own server counts frames: `7` is
 * `main.7` to who asks through this.
 */
export function withWords(deps: Deps = systemDeps): Deps {
  return {
    ...deps,
    async fetch(url, init) {
      if (!url.endsWith("/pull-updates")) return deps.fetch(url, init);
      const body = changed(init.body as Uint8Array, [2, 3], (text) => text.slice(WORD.length));
      const answer = await deps.fetch(url, { ...init, body });
      if (answer.status !== 200) return answer;
      const bytes = await answer.bytes();
      const reader = new BinaryReader(bytes);
      const head = changed(reader.bytes(), [1], (text) => WORD + text);
      const start = new BinaryWriter().bytes(head).finish();
      return new Response(Buffer.concat([start, bytes.subarray(reader.pos)]), answer);
    },
  };
}

/** Change fields of a message that are texts. */
function changed(
  bytes: Uint8Array,
  fields: readonly number[],
  change: (text: string) => string,
): Uint8Array<ArrayBuffer> {
  const reader = new BinaryReader(bytes);
  const writer = new BinaryWriter();
  while (reader.pos < reader.len) {
    const begun = reader.pos;
    const [field, type] = reader.tag();
    if (fields.includes(field)) {
      const text = change(reader.string());
      writer.tag(field, WireType.LengthDelimited).string(text);
      continue;
    }
    reader.skip(type);
    writer.raw(bytes.subarray(begun, reader.pos));
  }
  return writer.finish() as Uint8Array<ArrayBuffer>;
}
