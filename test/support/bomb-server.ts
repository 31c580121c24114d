import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline, Readable } from "node:stream";
import { gzipSync } from "node:zlib";

/** Upper limit of what is sent, so that a reader without a limit fails by the amount it read; bytes. */
const ENDLESS = 64 * 1024 * 1024;
const PIECE = 64 * 1024;

/**
 * A server whose answers are endless, or grow when decompressed. The bomb is the start of the path, so that a
 * database's `url` chooses it: `http://…/500/version`.
 */
const BOMBS: Record<string, (response: ServerResponse) => void> = {
  /** An endless error page. */
  500: (response) => endless(response, 500, Buffer.alloc(PIECE, "no! ")),
  404: (response) => endless(response, 404, Buffer.alloc(PIECE, "no! ")),
  /** An endless success, where a line, a list or a small document is expected. */
  200: (response) => endless(response, 200, Buffer.alloc(PIECE, "yes ")),
  /** A few KB that become 64 MiB. */
  "404-gzip": (response) => zipped(response, 404),
  "500-gzip": (response) => zipped(response, 500),
  "200-gzip": (response) => zipped(response, 200),
  /** Endless rows, as Hrana's cursor sends them: an empty head, the beginning of a step, rows of a 1. */
  rows: (response) =>
    endless(response, 200, Buffer.from("0622040a021002".repeat(9000), "hex"), "00040a020800"),
  /** An endless schema: rows of five texts as the answer to statement 1. */
  schema: (response) =>
    endless(response, 200, Buffer.from(SCHEMA_ROW.repeat(800), "hex"), "00040a020801"),
  /** 2^31 pages of 4 KiB as the answer to statement 2, and the ends of all five. */
  pages: (response) => {
    const row = "0f220d0a061080808080100a03108040";
    response.writeHead(200).end(Buffer.from(`00040a020802${row}${"021200".repeat(5)}`, "hex"));
  },
};

/** "table", "t", "t", 2 and 64 characters of SQL, each a Value { text = 4 } or { integer = 2 }. */
const SCHEMA_ROW = rowOf([
  text("table"),
  text("t"),
  text("t"),
  "0a021004",
  text("CREATE TABLE t (v) -- ".padEnd(64, "x")),
]);

function text(value: string): string {
  const bytes = Buffer.from(value).toString("hex");
  return `0a${hex(value.length + 2)}22${hex(value.length)}${bytes}`;
}

function rowOf(values: readonly string[]): string {
  const row = values.join("");
  const length = row.length / 2;
  return `${hex(length + 2)}22${hex(length)}${row}`;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

let zip: Buffer | undefined;

function zipped(response: ServerResponse, status: number): void {
  zip ??= gzipSync(Buffer.alloc(ENDLESS), { level: 9 });
  response.writeHead(status, { "content-encoding": "gzip" }).end(zip);
}

function endless(response: ServerResponse, status: number, piece: Buffer, head = ""): void {
  function* pieces() {
    if (head !== "") yield Buffer.from(head, "hex");
    for (let sent = 0; sent < ENDLESS; sent += piece.length) yield piece;
  }
  response.writeHead(status);
  pipeline(Readable.from(pieces()), response, () => {}); // the reader leaves early
}

export async function startBombServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    request.resume();
    const bomb = BOMBS[/^\/([^/?]*)/.exec(request.url!)![1]!];
    if (bomb === undefined) response.writeHead(400).end("there is no such bomb");
    else bomb(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
