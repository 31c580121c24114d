import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { expect, it } from "vitest";
import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import { emptyDatabase } from "../../../src/format/pages/database-header.ts";
import type { PageEvent } from "../../../src/source/pages.ts";
import { replicaSource } from "../../../src/source/replica/replica.ts";

const SOURCE = { url: "http://log.example", namespace: undefined, token: undefined, stallMs: 5000 };

function framed(flag: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(5 + bytes.length);
  frame[0] = flag;
  new DataView(frame.buffer).setUint32(1, bytes.length);
  frame.set(bytes, 5);
  return frame;
}

const trailers = (status: number, message: string) =>
  framed(0x80, new TextEncoder().encode(`grpc-status:${status}\r\ngrpc-message:${message}\r\n`));

/** Build a frame of a snapshot; every page but the first contains the frame's own number. */
function frameOf(number: number, pgno: number, sizeAfter: number): Uint8Array {
  const data = new Uint8Array(24 + 4096).fill(number, 24);
  if (pgno === 1) data.set(emptyDatabase(4096), 24);
  const view = new DataView(data.buffer);
  view.setBigUint64(0, BigInt(number), true);
  view.setUint32(16, pgno, true);
  view.setUint32(20, sizeAfter, true);
  return framed(0, new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(data).finish());
}

/** Create a server whose whole log, of three frames per snapshot, has been compacted. */
function compacted(
  count: number,
  refusals: number,
  spoil = (frames: Uint8Array[]) => frames,
): Deps {
  const answer = (...frames: Uint8Array[]) => {
    const headers = { "content-type": "application/grpc-web+proto" };
    return new Response(new Blob(frames).stream(), { headers });
  };
  let refused = 0;
  const fetch: Deps["fetch"] = async (url, { body }) => {
    const text = (field: number, value: string) =>
      new BinaryWriter().tag(field, WireType.LengthDelimited).string(value).finish();
    if (url.endsWith("Hello")) {
      const index = new BinaryWriter()
        .tag(5, WireType.Varint)
        .uint64(count * 3 - 1)
        .finish();
      return answer(
        framed(0, new Uint8Array([...text(3, "log"), ...text(4, "session"), ...index])),
        trailers(0, ""),
      );
    }
    if (url.endsWith("LogEntries")) return answer(trailers(9, "NEED_SNAPSHOT"));
    if (refused++ < refusals) return answer(trailers(14, "snapshot not found"));
    const next = (body as Uint8Array)[6]!;
    const newest = next - (next % 3) + 2;
    const frames = [frameOf(newest, 3, 0), frameOf(newest - 1, 2, 0), frameOf(newest - 2, 1, 3)];
    return answer(...spoil(frames), trailers(0, ""));
  };
  return { ...systemDeps, fetch, sleep: async () => {} };
}

async function pulled(deps: Deps): Promise<Exclude<PageEvent, { kind: "pages" }>[]> {
  const events: Exclude<PageEvent, { kind: "pages" }>[] = [];
  for await (const event of replicaSource(SOURCE, deps, false).pull(null))
    if (event.kind !== "pages") events.push(event);
  return events;
}

it("a log is read through as many snapshots as sqld keeps, which is 32", async () => {
  const [base, commit, ...rest] = await pulled(compacted(32, 3));
  expect(base).toMatchObject({ kind: "base", ascending: false });
  expect(commit).toMatchObject({
    kind: "commit",
    pageCount: 3,
    commits: 32,
    cursor: { frame: 95 },
  });
  expect(rest).toEqual([]);
});

it("a server that never finishes its snapshot is given up", async () => {
  await expect(pulled(compacted(2, Infinity))).rejects.toMatchObject({ code: "SOURCE_ERROR" });
});

it("a snapshot that cannot be whole is refused", async () => {
  const spoils: Record<string, (frames: Uint8Array[]) => Uint8Array[]> = {
    nothing: () => [],
    "no last frame": (frames) => frames.slice(0, -1),
    "one after the last": (frames) => [...frames, frames[0]!],
    ascending: (frames) => frames.toReversed(),
    twice: ([first, ...rest]) => [first!, first!, ...rest],
  };
  for (const [what, spoil] of Object.entries(spoils))
    await expect(pulled(compacted(2, 0, spoil)), what).rejects.toMatchObject({
      code: "PAGES_INVALID",
    });
});
