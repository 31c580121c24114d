import {
  decodeFrameContent,
  decodeSeekTable,
  FRAME_CONTENT,
} from "../../src/format/bytes/seekable.ts";
import { gather } from "../../src/format/bytes/bytes.ts";

/**
 * Decompress a file of many zstd frames, frame by frame according to its seek table. workerd's stream
 * decompressor is not reliable with such files; a test in Node shows that zstd itself reads them whole.
 */
export async function unpacked(file: Uint8Array): Promise<Uint8Array> {
  const count = new DataView(file.buffer, file.byteOffset + file.length - 9).getUint32(0, true);
  const tail = file.subarray(file.length - (8 + count * 8 + 9));
  const { offsets, contentBytes } = decodeSeekTable(tail, file.length);
  async function* frames(): AsyncIterable<Uint8Array> {
    for (let frame = 0; frame < count; frame++) {
      const length = Math.min(FRAME_CONTENT, contentBytes - frame * FRAME_CONTENT);
      yield await decodeFrameContent(file.subarray(offsets[frame], offsets[frame + 1]), length);
    }
  }
  return gather(frames());
}
