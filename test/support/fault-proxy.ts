import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";

/**
 * A proxy in front of a real libSQL server that spoils its dumps. The fault is the start of the path, so that
 * a database's `url` chooses it: `http://…/cut/1000` breaks the connection after 1,000 bytes. The server is
 * asked for its dump once; every fault is one of that dump.
 */
const FAULTS: Record<string, (dump: Buffer, argument: string, response: ServerResponse) => void> = {
  /** Passes the dump on unchanged. */
  none: (dump, _, response) => void response.end(dump),
  /** Breaks the connection after this many bytes. */
  cut(dump, bytes, response) {
    response.write(dump.subarray(0, Number(bytes)), () => response.destroy());
  },
  /** Ends cleanly after this many bytes. */
  end: (dump, bytes, response) => void response.end(dump.subarray(0, Number(bytes))),
  /** Sends this many bytes and then nothing more. */
  stall: (dump, bytes, response) => void response.write(dump.subarray(0, Number(bytes))),
  /** Never answers. */
  silent: () => {},
  /** Answers with a status and an error like the server's. */
  status(_, status, response) {
    response.writeHead(Number(status), { "content-type": "application/json" });
    response.end('{"error":"no"}');
  },
  /** A proxy's friendly page, with status 200. */
  html(_, __, response) {
    response.writeHead(200, { "content-type": "text/html" });
    response.end("<!doctype html><title>Sign in</title><p>Welcome; please sign in.");
  },
  /** Announces more bytes than there are, then closes. */
  long(dump, extra, response) {
    response.writeHead(200, { "content-length": dump.length + Number(extra) });
    response.write(dump, () => response.destroy());
  },
  /** Announces and sends fewer bytes than there are. */
  short(dump, missing, response) {
    const length = dump.length - Number(missing);
    response.writeHead(200, { "content-length": length });
    response.end(dump.subarray(0, length));
  },
  /** Adds text after the end. */
  pad: (dump, text, response) =>
    void response.end(Buffer.concat([dump, Buffer.from(decodeURIComponent(text))])),
  /** Sends gzip although plain text was requested. */
  gzip(dump, _, response) {
    response.writeHead(200, { "content-encoding": "gzip" });
    response.end(gzipSync(dump));
  },
  redirect(_, to, response) {
    response.writeHead(302, { location: decodeURIComponent(to) });
    response.end();
  },
  /** An error page that repeats the caller's token. */
  echo(_, __, response) {
    response.writeHead(500);
    response.end(`refused ${response.req.headers.authorization}`);
  },
};

export async function startFaultProxy(
  upstream: string,
): Promise<{ url: string; stop(): Promise<void> }> {
  const dumps = new Map<string, Promise<Buffer>>();
  const dumpAt = (path: string) => {
    const dump = dumps.get(path) ?? readDump(upstream + path);
    dumps.set(path, dump);
    return dump;
  };
  const server = createServer((request, response) => {
    void answer(upstream, dumpAt, request, response).catch((error: unknown) => {
      response.writeHead(502);
      response.end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readDump(url: string): Promise<Buffer> {
  const answered = await fetch(url, { headers: { "accept-encoding": "identity" } });
  if (!answered.ok) throw new Error(`the dump answered ${answered.status}`);
  return Buffer.from(await answered.arrayBuffer());
}

async function answer(
  upstream: string,
  dumpAt: (path: string) => Promise<Buffer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, fault = "", argument = "", ...rest] = request.url!.split("/");
  const path = `/${rest.join("/")}`;
  if (path.startsWith("/dump")) return FAULTS[fault]!(await dumpAt(path), argument, response);
  const body: Buffer[] = [];
  for await (const piece of request) body.push(piece as Buffer);
  const answered = await fetch(upstream + path, {
    method: request.method!,
    headers: { "content-type": "application/json", "accept-encoding": "identity" },
    ...(body.length > 0 ? { body: Buffer.concat(body) } : {}),
  });
  response.writeHead(answered.status).end(Buffer.from(await answered.arrayBuffer()));
}
