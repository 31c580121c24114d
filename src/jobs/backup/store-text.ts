import { zstdCompress } from "../../format/bytes/codec.ts";
import { Meter, tap } from "../../format/bytes/hash.ts";
import { type DumpFacts, DumpInspector } from "../../format/dump/inspector.ts";
import type { BackupDraft } from "./backup-draft.ts";

/** What is known of SQL that was stored. */
export interface StoredText {
  readonly raw: Meter;
  readonly stored: Meter;
  readonly facts: DumpFacts;
}

/**
 * Store a whole dump in one pass and flat memory: inspect and hash → zstd → age, where configured → hash → R2.
 * A chunk's memory may be used again for the next one.
 *
 * @throws NightjarError as `DumpInspector` and `BackupDraft.write`, and whatever `text` throws
 */
export async function storeText(
  draft: BackupDraft,
  text: AsyncIterable<Uint8Array>,
): Promise<StoredText> {
  const raw = new Meter();
  const stored = new Meter();
  const inspector = new DumpInspector();
  let facts: DumpFacts | undefined;
  const progress = draft.progress(raw, stored);

  async function* whole(): AsyncIterable<Uint8Array> {
    for await (const chunk of text) {
      inspector.push(chunk);
      raw.update(chunk);
      yield chunk;
      await progress();
    }
    facts = inspector.end();
    await progress("storing");
  }

  const sealed = draft.sealed(zstdCompress(whole()));
  await draft.write(tap(sealed, (chunk) => stored.update(chunk)));
  return { raw, stored, facts: facts! };
}
