import { createServer } from "node:http";
import { freePort } from "../../scripts/lib/server-process.ts";
import { startSqld } from "../../scripts/lib/sqld.ts";

/**
 * A real libSQL server that always comes back at the same address, and a server that tests (which
 * cannot end processes from inside of workerd) tell how it shall go: `POST /kill` is a SIGKILL, after
 * which sqld begins a new log; `POST /restart` is a clean end, after which only its sessions are lost.
 */
export async function startMortalSqld(
  dir: string,
): Promise<{ url: string; control: string; stop(): Promise<void> }> {
  const port = await freePort();
  const start = () => startSqld(dir, [], port);
  let server = await start();
  const ways: Record<string, () => Promise<void>> = {
    async "/kill"() {
      process.kill(-server.pid, "SIGKILL");
      await server.ended;
    },
    "/restart": () => server.stop(),
  };
  const control = createServer((request, response) => {
    void (async () => {
      await ways[request.url ?? ""]?.();
      server = await start();
      response.end();
    })().catch((error: unknown) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  const controlPort = await freePort();
  await new Promise<void>((resolve) => control.listen(controlPort, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${port}`,
    control: `http://127.0.0.1:${controlPort}`,
    async stop() {
      control.close();
      await server.stop();
    },
  };
}
