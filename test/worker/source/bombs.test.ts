import { describe, expect, inject, it } from "vitest";
import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import { asNightjarError } from "../../../src/errors/errors.ts";
import { imageSource, offersImage, readImage } from "../../../src/source/dbpage.ts";
import { describeServer, describeSource } from "../../../src/source/describe.ts";
import { readDump } from "../../../src/source/dump.ts";
import { sayHello } from "../../../src/source/replica/replica.ts";
import type { Source } from "../../../src/libsql/server.ts";
import { currentGeneration } from "../../../src/source/sync/protocol.ts";
import { secondS3 } from "../../../src/store/second/s3.ts";
import { S3Client } from "../../../src/store/second/s3-request.ts";
import { runStatements } from "../../../src/target/run-statements.ts";

const KB = 1024;
const MB = 1024 * KB;

/** Count the bytes read from answers, before decompression if nothing requested compression. */
function counting(): Deps & { taken: number } {
  const deps = {
    ...systemDeps,
    taken: 0,
    sleep: async () => {},
    async fetch(url: string, init: RequestInit) {
      const response = await fetch(url, init);
      if (response.body === null) return response;
      const { readable, writable } = new IdentityTransformStream();
      const writer = writable.getWriter();
      const pump = async () => {
        for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
          await writer.write(piece);
          deps.taken += piece.length;
        }
        await writer.close();
      };
      pump().catch(() => {}); // the reader has left
      const { status, headers } = response;
      return new Response(readable, { status, headers, encodeBody: "manual" });
    },
  };
  return deps;
}

function bomb(kind: string): Source {
  return {
    url: `${inject("bombs")}/${kind}`,
    token: undefined,
    namespace: undefined,
    stallMs: 20_000,
  };
}

async function drained(source: AsyncIterable<unknown>): Promise<void> {
  for await (const piece of source) void piece;
}

/** Requests to a server that may answer with anything. */
const ASKED: Record<string, (source: Source, deps: Deps) => Promise<unknown>> = {
  "the dump": (source, deps) => drained(readDump(source, deps)),
  "a row": offersImage,
  pages: (source, deps) => drained(imageSource(source, deps).pull(null)),
  "the replication service": sayHello,
  "the sync protocol": currentGeneration,
  "statements on a target": (source, deps) => runStatements(source, deps, [{ sql: "SELECT 1" }]),
};

describe.each(["500", "404", "500-gzip", "404-gzip"])("an error %s without end", (kind) => {
  it.each(Object.keys(ASKED))("is read for a few KB where %s was asked for", async (what) => {
    const deps = counting();
    const failure = await ASKED[what]!(bomb(kind), deps).then(() => undefined, asNightjarError);
    expect(failure?.message).toContain(`answered ${kind.slice(0, 3)}`);
    expect(failure!.message.length).toBeLessThan(400);
    expect(deps.taken).toBeLessThan(256 * KB);
  });

  it("is read for a few KB where facts were asked for", async () => {
    const deps = counting();
    const { version, userVersion, unknown } = await describeSource(bomb(kind), deps);
    expect({ version, userVersion, unknown: unknown.length }).toEqual({
      version: null,
      userVersion: null,
      unknown: 2,
    });
    expect(deps.taken).toBeLessThan(512 * KB);
  });
});

describe("a success without end", () => {
  it.each(["200", "200-gzip"])("is no version (%s)", async (kind) => {
    const deps = counting();
    expect(await describeServer(bomb(kind), deps)).toMatchObject({ version: null });
    expect(deps.taken).toBeLessThan(256 * KB);
  });

  it("is no answer of a target beyond 16 MiB", async () => {
    const deps = counting();
    const asked = runStatements(bomb("200"), deps, [{ sql: "SELECT 1" }]);
    await expect(asked).rejects.toMatchObject({ code: "TARGET_FAILED" });
    expect(deps.taken).toBeLessThan(18 * MB);
  });

  it.each(Object.keys(ASKED))("is never decompressed where %s was asked for", async (what) => {
    const deps = counting();
    const failure = await ASKED[what]!(bomb("200-gzip"), deps).then(
      () => undefined,
      asNightjarError,
    );
    expect(failure?.code).toMatch(/^(DUMP_INVALID|PAGES_INVALID|TARGET_FAILED)$/);
    expect(deps.taken).toBeLessThan(256 * KB);
  });

  it("is left after some rows where one row was asked for", async () => {
    const deps = counting();
    const asked = offersImage(bomb("rows"), deps);
    await expect(asked).rejects.toMatchObject({ code: "PAGES_INVALID" });
    expect(deps.taken).toBeLessThan(MB);
  });

  it("is no schema beyond 8 MiB", async () => {
    const deps = counting();
    const image = readImage(bomb("schema"), deps, "a test", true);
    await expect(drained(image)).rejects.toMatchObject({ code: "PAGES_INVALID" });
    expect(deps.taken).toBeLessThan(20 * MB);
  });
});

describe("a second store whose answers have no end", () => {
  function store(kind: string, deps: Deps) {
    const keys = { accessKeyId: "AKIA", secretAccessKey: "secret" };
    const place = {
      endpoint: `${inject("bombs")}/${kind}`,
      region: "auto",
      prefix: "",
      keep: false,
      ...keys,
    };
    return secondS3(new S3Client(place, keys, deps), place.endpoint, "");
  }
  const all = async (list: AsyncIterable<unknown>) => {
    for await (const one of list) void one;
  };

  it.each(["500", "404", "500-gzip", "404-gzip"])("is read for a few KB (%s)", async (kind) => {
    const deps = counting();
    const secondStore = store(kind, deps);
    for (const asking of [
      () => secondStore.read("a", 0, 10),
      () => secondStore.readText("a"),
      () => all(secondStore.list()),
      () => secondStore.startUpload("a"),
    ])
      await expect(asking()).rejects.toMatchObject({
        code: expect.stringMatching(/^COPY_/) as string,
      });
    expect(deps.taken).toBeLessThan(4 * 128 * KB);
  });

  it("is read no further than what was asked for", async () => {
    const deps = counting();
    const secondStore = store("200", deps);
    await expect(secondStore.read("a", 0, 10)).rejects.toMatchObject({ code: "COPY_UNREACHABLE" });
    expect(deps.taken).toBeLessThan(128 * KB);
    await expect(all(secondStore.list())).rejects.toMatchObject({ code: "COPY_UNREACHABLE" });
    expect(deps.taken).toBeLessThan(10 * MB);
  });

  it("is never decompressed", async () => {
    const deps = counting();
    const listing = all(store("200-gzip", deps).list());
    await expect(listing).rejects.toMatchObject({ code: "COPY_UNREACHABLE" });
    expect(deps.taken).toBeLessThan(128 * KB);
  });
});

describe("a server that tells of more pages than it has", () => {
  it("is not believed before they come", async () => {
    const image = readImage(bomb("pages"), counting(), "a test");
    const events = image[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ kind: "base", pageCount: 2 ** 31 });
    await expect(events.next()).rejects.toMatchObject({ code: "PAGES_INVALID" });
  });
});
