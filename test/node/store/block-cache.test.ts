import { expect, it } from "vitest";
import { BlockCache } from "../../../src/store/block-cache.ts";

const BLOCK = 256 * 1024;
const block = (byte: number) => new Uint8Array(BLOCK).fill(byte);
const first = (bytes: Uint8Array) => bytes[0];

it("gives a block at once while it is held, and frees those that were used longest ago", async () => {
  const cache = new BlockCache(2 * BLOCK);
  const loaded: Uint8Array[] = [];
  const use = (byte: number) =>
    cache.use(
      String(byte),
      async () => {
        loaded.push(block(byte));
        return loaded.at(-1)!;
      },
      first,
    );
  expect(await use(1)).toBe(1);
  expect(await use(2)).toBe(2);
  expect(use(1)).toBe(1); // no promise
  expect(await use(3)).toBe(3);
  expect(loaded.map(({ length }) => length)).toEqual([BLOCK, 0, BLOCK]);
  expect(cache.bytes).toBe(2 * BLOCK);
  expect(await use(2)).toBe(2);
  expect(loaded).toHaveLength(4);
});

it("has the bytes of a block for each of those who asked for it at the same time", async () => {
  const cache = new BlockCache(BLOCK / 2); // no block is kept after its use
  const answers = await Promise.all(
    [1, 2, 3, 4].map(async () => cache.use("the same", async () => block(7), first)),
  );
  expect(answers).toEqual([7, 7, 7, 7]);
  expect(cache.bytes).toBe(0);
});

it("holds nothing of a block that cannot be loaded, and the block of a use that fails", async () => {
  const cache = new BlockCache(BLOCK);
  const lost = async () => {
    throw new Error("lost");
  };
  await expect(cache.use("a", lost, first)).rejects.toThrow("lost");
  const fail = () => {
    throw new Error("unusable");
  };
  await expect(cache.use("a", async () => block(1), fail)).rejects.toThrow("unusable");
  expect(cache.use("a", lost, first)).toBe(1);
});
