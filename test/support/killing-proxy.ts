import { createServer } from "node:http";
import { freePort, type ServerProcess } from "../../scripts/lib/server-process.ts";
import { startSqld } from "../../scripts/lib/sqld.ts";

/**
 * Start a real libSQL server behind a proxy that kills it with SIGKILL after a given number of requests. It
 * stays down until it is started again on the same data.
 */
export async function startKillable(dir: string): Promise<{
  url: string;
  /** Kill the server at the nth request from now on, before it is answered. */
  dieAt(request: number): void;
  revive(): Promise<void>;
  stop(): Promise<void>;
}> {
  const port = await freePort();
  let sqld: ServerProcess = await startSqld(dir, [], port);
  let left = Infinity;
  const proxy = createServer((request, response) => {
    void (async () => {
      const body: Buffer[] = [];
      for await (const piece of request) body.push(piece as Buffer);
      const sent = fetch(sqld.url + request.url!, {
        method: request.method!,
        headers: {
          "content-type": request.headers["content-type"] ?? "",
          "accept-encoding": "identity",
        },
        ...(body.length > 0 ? { body: Buffer.concat(body) } : {}),
      });
      sent.catch(() => {}); // reported below
      if (--left === 0) {
        process.kill(-sqld.pid, "SIGKILL");
        await sqld.ended;
      }
      const answer = await sent;
      response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    dieAt: (request) => void (left = request),
    async revive() {
      left = Infinity;
      sqld = await startSqld(dir, [], port);
    },
    async stop() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await sqld.stop();
    },
  };
}
