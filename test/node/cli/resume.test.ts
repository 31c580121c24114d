import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { download } from "../../../src/cli/files/resume.ts";

/** Downloads whose connection breaks. */
const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 251));
const ETAG = '"the-content"';

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Serve with `answer`, which is told how many requests came before. */
async function serve(
  answer: (request: IncomingMessage, response: ServerResponse, before: number) => void,
): Promise<{ url: string; ranges: (string | undefined)[] }> {
  const ranges: (string | undefined)[] = [];
  server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response, ranges.length - 1);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, ranges };
}

/** Send the content from where it is asked for, and break the connection after `most` bytes. */
function sendPart(request: IncomingMessage, response: ServerResponse, most: number): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "bytes=0-")![1]);
  response.setHeader("etag", ETAG).setHeader("accept-ranges", "bytes");
  response.setHeader("content-length", CONTENT.length - from);
  if (request.headers.range !== undefined) {
    response.statusCode = request.headers["if-range"] === ETAG ? 206 : 200;
    response.setHeader("content-range", `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}`);
  }
  const part = CONTENT.subarray(from, from + most);
  response.write(part, () => {
    if (from + part.length < CONTENT.length) setTimeout(() => response.destroy(), 5);
    else response.end();
  });
}

async function read(url: string): Promise<Buffer> {
  const { bytes } = await download(url, 1);
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("a download whose connection breaks", () => {
  it("goes on from there, as often as it makes progress", async () => {
    const { url, ranges } = await serve((request, response) => sendPart(request, response, 40_000));
    expect((await read(url)).equals(CONTENT)).toBe(true);
    expect(ranges.length).toBeGreaterThan(7);
    expect(ranges.slice(1).every((range) => /^bytes=\d+-$/.test(range ?? ""))).toBe(true);
  });

  it("survives a server that is away for a while", async () => {
    const { url } = await serve((request, response, before) => {
      if (before > 0 && before < 4) response.destroy();
      else sendPart(request, response, before === 0 ? 40_000 : CONTENT.length);
    });
    expect((await read(url)).equals(CONTENT)).toBe(true);
  });

  it.each<[string, (request: IncomingMessage, response: ServerResponse) => void]>([
    ["stays away", (_, response) => void response.destroy()],
    [
      "has something else by then",
      (request, response) => {
        request.headers["if-range"] = '"other"';
        sendPart(request, response, CONTENT.length);
      },
    ],
    [
      "answers another range",
      (_, response) => {
        response.statusCode = 206;
        response.setHeader("content-range", `bytes 0-9/${CONTENT.length}`);
        response.end(CONTENT.subarray(0, 10));
      },
    ],
    ["refuses", (_, response) => void response.writeHead(410).end("{}")],
  ])("fails where the server %s", async (_, answer) => {
    const { url } = await serve((request, response, before) => {
      if (before === 0) sendPart(request, response, 40_000);
      else answer(request, response);
    });
    await expect(read(url)).rejects.toThrow(/./);
  });

  it("fails at once where it is made on the way", async () => {
    const { url, ranges } = await serve((_, response) => {
      response.setHeader("accept-ranges", "none");
      response.write(CONTENT.subarray(0, 1000), () => setTimeout(() => response.destroy(), 5));
    });
    await expect(read(url)).rejects.toThrow(/./);
    expect(ranges).toHaveLength(1);
  });
});
