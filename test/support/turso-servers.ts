import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { freePort, type ServerProcess } from "../../scripts/lib/server-process.ts";
import { type StockOrder, tellStock } from "./stock-sqlite.ts";
import { startTursodb } from "./tursodb.ts";

/** What a test inside of workerd, which cannot start processes, asks of the control server. */
export interface TursoOrder {
  /** A database by this name; its server is started at the first order. */
  readonly name: string;
  readonly flags?: readonly string[];
  /** The bytes of its file, in base64, for a server that is started; a new database without them. */
  readonly file?: string;
  /** The cipher of a new database that is encrypted at rest, with a key of zeros. */
  readonly cipher?: string;
  /** Stop the server, keep its folder under this name, and start it again. */
  readonly save?: string;
  /** Stop the server, replace its folder by the copy of this name, and start it again. */
  readonly from?: string;
  /** Stop the server for good, and delete its folder. */
  readonly remove?: boolean;
  /** Read everything in this by stock SQLite, and answer with that in JSON; no server is concerned. */
  readonly stock?: StockOrder;
}

const ENCRYPTION = "--experimental-encryption";

/** Return the address of a file that tursodb encrypts. */
function encryptedAt(path: string, cipher: string): string {
  const bytes = cipher.includes("128") ? 16 : 32;
  return `file:${path}?cipher=${cipher}&hexkey=${"00".repeat(bytes)}`;
}

/** Start a control server that starts real servers of Turso's engine, one for each database. */
export async function startTursoServers(
  dir: string,
): Promise<{ control: string; stop(): Promise<void> }> {
  const servers = new Map<string, { server: ServerProcess; port: number }>();
  const obey = async (order: TursoOrder): Promise<string> => {
    const { name, flags = [], cipher, file, save, from, remove, stock } = order;
    if (stock !== undefined) return JSON.stringify(await tellStock(dir, stock));
    const folder = join(dir, name);
    const known = servers.get(name);
    const port = known?.port ?? (await freePort());
    if (known !== undefined && (save ?? from ?? remove) === undefined) return known.server.url;
    await known?.server.stop();
    if (save !== undefined) await cp(folder, join(dir, `${name}-${save}`), { recursive: true });
    if (from !== undefined || remove === true) await rm(folder, { recursive: true, force: true });
    if (from !== undefined) await cp(join(dir, `${name}-${from}`), folder, { recursive: true });
    if (remove === true) {
      servers.delete(name);
      return "";
    }
    await mkdir(folder, { recursive: true });
    const path = join(folder, "database.db");
    if (file !== undefined) await writeFile(path, Buffer.from(file, "base64"));
    const server =
      cipher === undefined
        ? await startTursodb(path, flags, port)
        : await startTursodb(encryptedAt(path, cipher), [...flags, ENCRYPTION], port);
    servers.set(name, { server, port });
    return server.url;
  };
  const control = createServer((request, response) => {
    void text(request)
      .then((body) => obey(JSON.parse(body) as TursoOrder))
      .then((url) => response.end(url))
      .catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => control.listen(0, "127.0.0.1", resolve));
  const address = control.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    control: `http://127.0.0.1:${address.port}`,
    async stop() {
      control.close();
      await Promise.all([...servers.values()].map(({ server }) => server.stop()));
    },
  };
}
