import { createServer, type IncomingMessage } from "node:http";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/paths.ts";
import { freePort, type ServerProcess, startServer } from "../../scripts/lib/server-process.ts";

/**
 * Start a control server that starts real servers of Turso's own engine, each with an empty database of its
 * own, as tests inside of workerd cannot start processes. They POST a list of further arguments to it, and
 * get the new server's address.
 */
export async function startTursodbs(
  dir: string,
): Promise<{ control: string; stop(): Promise<void> }> {
  await mkdir(dir, { recursive: true });
  const servers: ServerProcess[] = [];
  const start = async (args: string[]): Promise<string> => {
    const port = await freePort();
    const file = join(dir, `${servers.length}-${port}.db`);
    const server = await startServer({
      name: "tursodb",
      command: join(ROOT, "node_modules/.bin/turso"),
      args: [file, "--sync-server", `127.0.0.1:${port}`, ...args],
      url: `http://127.0.0.1:${port}`,
    });
    servers.push(server);
    return server.url;
  };
  const control = createServer((request, response) => {
    readJson(request)
      .then(start)
      .then((url) => response.end(url))
      .catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => control.listen(0, "127.0.0.1", resolve));
  const address = control.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    control: `http://127.0.0.1:${address.port}`,
    async stop() {
      control.closeAllConnections();
      await new Promise((resolve) => control.close(resolve));
      for (const server of servers) await server.stop();
    },
  };
}

async function readJson(request: IncomingMessage): Promise<string[]> {
  const body: Buffer[] = [];
  for await (const piece of request) body.push(piece as Buffer);
  return JSON.parse(Buffer.concat(body).toString()) as string[];
}
