import { cp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { freePort } from "../../scripts/lib/server-process.ts";
import { startSqld } from "../../scripts/lib/sqld.ts";

/** The signal that ends a server, and changes to its data folder before it is started again. */
export interface Mortality {
  /** After SIGKILL sqld begins a new log; after SIGTERM it only loses its sessions. */
  signal: "SIGTERM" | "SIGKILL";
  /** Keeps a copy of the folder under this name. */
  save?: string;
  /** Replaces the folder by the copy of this name. */
  from?: string;
  /** Replaces only the database's file, and leaves its log as it is. */
  only?: "data";
}

/**
 * Start a real libSQL server that always comes back at the same address, and a control server. Tests inside
 * of workerd cannot end processes, so they POST a Mortality to the control server. `args` go to sqld.
 */
export async function startMortalSqld(
  dir: string,
  args: string[] = [],
): Promise<{ url: string; control: string; stop(): Promise<void> }> {
  const port = await freePort();
  const start = () => startSqld(dir, args, port);
  let server = await start();
  const change = async ({ signal, save, from, only }: Mortality) => {
    if (signal === "SIGTERM") await server.stop();
    else {
      process.kill(-server.pid, "SIGKILL");
      await server.ended;
    }
    const copy = (name: string) => join(`${dir}-copies`, name);
    if (save !== undefined) await replace(dir, copy(save));
    if (from !== undefined && only === undefined) await replace(copy(from), dir);
    if (from !== undefined && only === "data") await replaceData(copy(from), dir);
    server = await start();
  };
  const control = createServer((request, response) => {
    void bodyOf(request)
      .then((body) => change(JSON.parse(body) as Mortality))
      .then(() => response.end())
      .catch((error: unknown) => {
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

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

async function replace(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true });
}

async function replaceData(from: string, to: string): Promise<void> {
  const database = join("dbs", "default");
  for (const name of ["data-wal", "data-shm"]) {
    await rm(join(to, database, name), { force: true });
    await cp(join(from, database, name), join(to, database, name)).catch(() => {}); // it had none
  }
  await cp(join(from, database, "data"), join(to, database, "data"));
}
