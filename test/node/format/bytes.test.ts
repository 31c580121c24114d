import { expect, it } from "vitest";
import { free, freeing, gather } from "../../../src/format/bytes/bytes.ts";

const SIZE = 256 * 1024;

it("frees the memory of a large buffer, and leaves the small ones that Buffers share", () => {
  const large = new Uint8Array(SIZE);
  free(large.subarray(10, 20));
  expect(large.length).toBe(0);
  const [one, two] = [Buffer.from("one"), Buffer.from("two")];
  free(one);
  expect(`${one.toString()} ${two.toString()}`).toBe("one two");
});

it("frees each chunk when the next but one is asked for, and never the buffer of the current one", async () => {
  const shared = new Uint8Array(SIZE);
  const chunks = [
    new Uint8Array(SIZE).fill(1),
    shared.subarray(0, 9).fill(2),
    shared.subarray(9, SIZE).fill(3),
    new Uint8Array(SIZE).fill(4),
    new Uint8Array(SIZE).fill(5),
  ];
  const lengths = chunks.map(({ length }) => length);
  const seen: number[][] = [];
  for await (const chunk of freeing(from(chunks))) {
    expect(chunk.every((byte) => byte === seen.length + 1)).toBe(true);
    seen.push(chunks.map(({ length }, at) => (length === lengths[at] ? 1 : 0)));
  }
  expect(seen).toEqual([
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1],
    [0, 1, 1, 1, 1],
    [0, 1, 1, 1, 1],
    [0, 0, 0, 1, 1],
  ]);
});

it("loses no byte for a reader that is done with a chunk before the next", async () => {
  const pieces = [3, 1, 2].map((byte) => new Uint8Array(SIZE).fill(byte));
  const whole = await gather(from(pieces));
  expect(await gather(freeing(from(pieces)))).toEqual(whole);
});

async function* from(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}
