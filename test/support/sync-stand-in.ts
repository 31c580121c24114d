import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { SyncFaults } from "./sync-faults.ts";
import { WalDatabase } from "./wal-database.ts";

/**
 * Start a stand-in for Turso Cloud's sync service, written from its clients' source, because the real one is
 * not available here. Its databases are real: SQLite files in WAL mode whose frames are read from the -wal
 * file; a checkpoint starts the next generation. Each has its own first path segment, and is created by the
 * first request that names it:
 *
 *     GET  /<name>/info, /export/G, /sync/G/from/to     the protocol
 *     POST /<name>/-/exec        runs the body's SQL, as one or more transactions
 *     POST /<name>/-/checkpoint  starts the next generation; `?keep=no` forgets the old ones' frames
 *     POST /<name>/-/save        keeps a copy of everything
 *     POST /<name>/-/put-back    puts that copy back, and drops everything since
 *     POST /<name>/-/fault       the body names the next fault: see sync-faults.ts
 *     GET  /<name>/-/image       the database as it is now
 *     GET  /<name>/-/log         the protocol's requests so far, with their tokens
 */
export async function startSyncStandIn(
  dir: string,
): Promise<{ url: string; stop(): Promise<void> }> {
  const databases = new Map<string, Served>();
  const server = createServer((request, response) => {
    const [, name = "", ...rest] = request.url!.split("/");
    let served = databases.get(name);
    if (served === undefined)
      databases.set(name, (served = new Served(new WalDatabase(dir, name))));
    void served.answer(rest.join("/"), request, response).catch((error: unknown) => {
      response.writeHead(599).end(String(error));
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
      for (const { database } of databases.values()) database.close();
    },
  };
}

class Served {
  readonly database: WalDatabase;
  readonly #faults = new SyncFaults();
  readonly #log: { path: string; authorization: string | undefined }[] = [];

  constructor(database: WalDatabase) {
    this.database = database;
  }

  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (path.startsWith("-/")) {
      const body: Buffer[] = [];
      for await (const piece of request) body.push(piece as Buffer);
      response.end(this.#control(path.slice(2), Buffer.concat(body).toString()));
      return;
    }
    this.#log.push({ path, authorization: request.headers.authorization });
    const fault = this.#faults.take(path);
    if (fault?.before === "checkpoint") this.database.checkpoint();
    if (fault?.before === "checkpoint, forget") this.database.checkpoint({ keep: false });
    const { status, body } = this.#protocol(path);
    if (fault === null) {
      response.writeHead(status, { "content-length": body.length }).end(body);
      return;
    }
    this.#faults.spoil(fault, status, body, response);
  }

  #control(path: string, body: string): string | Buffer {
    if (path === "exec") this.database.exec(body);
    else if (path.startsWith("checkpoint"))
      this.database.checkpoint({ keep: !path.endsWith("?keep=no") });
    else if (path === "save") this.database.save();
    else if (path === "put-back") this.database.putBack();
    else if (path === "fault") this.#faults.set(JSON.parse(body));
    else if (path === "image") return this.database.image();
    else if (path === "log") return JSON.stringify(this.#log);
    else throw new Error(`no control ${path}`);
    return "";
  }

  #protocol(path: string): { status: number; body: Buffer } {
    const { database } = this;
    const [route, ...numbers] = path.split("/");
    const [generation = 0, from = 0, to = 0] = numbers.map(Number);
    const json = (status: number, value: object) => ({
      status,
      body: Buffer.from(JSON.stringify(value)),
    });
    if (route === "info") return json(200, { current_generation: database.generation });
    if (route === "export") {
      const file = database.startOf(generation);
      return file === null
        ? json(404, { error: "generation not found" })
        : { status: 200, body: file };
    }
    if (route !== "sync") return json(404, { error: "not found" });
    const { frames, count } = database.framesOf(generation, from, to);
    if (frames.length > 0) return { status: 200, body: frames };
    return json(database.written ? 400 : 500, {
      status: "checkpoint_needed",
      generation: database.generation,
      max_frame_no: count,
      baton: null,
    });
  }
}
