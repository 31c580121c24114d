import { createServer, type IncomingMessage } from "node:http";

/** Faults of the stand-in, by the path of a request: the number of failures before it succeeds. */
export interface TursoFaults {
  match: RegExp;
  status: number;
  times: number;
}

/**
 * Start a stand-in for Turso's platform API and for the upload to a database there, written from its clients'
 * source, because the real one is not available here. It checks tokens, the order of the calls, the chunks'
 * numbers and sizes, and the form of the file; it refuses everything else.
 */
export async function startTursoStandIn(
  platformToken: string,
  chunkSize: number,
): Promise<{
  url: string;
  /** Files of finished databases, by name. */
  files: Map<string, Buffer>;
  created: { name: string; body: Record<string, unknown> }[];
  requests: string[];
  faults: TursoFaults[];
  stop(): Promise<void>;
}> {
  const files = new Map<string, Buffer>();
  const created: { name: string; body: Record<string, unknown> }[] = [];
  const requests: string[] = [];
  const faults: TursoFaults[] = [];
  let upload: { size: number; chunks: Buffer[] } | undefined;

  const answer = async (request: IncomingMessage): Promise<[number, object]> => {
    const { method = "", url = "" } = request;
    const body: Buffer[] = [];
    for await (const piece of request) body.push(piece as Buffer);
    const bytes = Buffer.concat(body);
    requests.push(`${method} ${url}`);
    const fault = faults.find(({ match, times }) => times > 0 && match.test(`${method} ${url}`));
    if (fault !== undefined) {
      fault.times--;
      return [fault.status, { error: `no, ${request.headers.authorization}` }];
    }
    const name = created.at(-1)?.name;
    const platform = request.headers.authorization === `Bearer ${platformToken}`;
    const database = request.headers.authorization === `Bearer jwt-${name}`;
    const route = `${method} ${new URL(url, "http://x").pathname}`;
    if (/^(POST) \/v1\/organizations\/acme\/databases$/.test(route)) {
      if (!platform) return [401, { error: "no such token" }];
      const wanted = JSON.parse(bytes.toString()) as Record<string, unknown>;
      if (created.some((known) => known.name === wanted["name"]))
        return [409, { error: "database already exists" }];
      if (JSON.stringify(wanted["seed"]) !== '{"type":"database_upload"}')
        return [400, { error: "no seed" }];
      created.push({ name: String(wanted["name"]), body: wanted });
      return [200, { database: { Name: wanted["name"], Hostname: request.headers.host } }];
    }
    if (route === `POST /v1/organizations/acme/databases/${name}/auth/tokens`)
      return platform ? [200, { jwt: `jwt-${name}` }] : [401, {}];
    if (!database) return [401, { error: "no such database token" }];
    if (route === "PUT /v2/upload/start") {
      const { db_size_bytes: size } = JSON.parse(bytes.toString()) as { db_size_bytes: number };
      upload = { size, chunks: [] };
      return [200, { chunk_size: chunkSize, upload_id: "u1" }];
    }
    if (upload === undefined) return [400, { error: "no upload" }];
    const number = /^PUT \/v2\/upload\/u1\/chunk\/(\d+)$/.exec(route)?.[1];
    if (number !== undefined) {
      const at = Number(number) * chunkSize;
      const expected = Math.min(chunkSize, upload.size - at);
      if (Number(number) > upload.chunks.length || bytes.length !== expected)
        return [400, { error: `chunk ${number} of ${bytes.length} bytes` }];
      upload.chunks[Number(number)] = bytes;
      return [200, {}];
    }
    if (route !== "PUT /v2/upload/u1/finalize") return [404, { error: "not found" }];
    const file = Buffer.concat(upload.chunks);
    const isWal = file[18] === 2 && file[19] === 2;
    if (file.length !== upload.size || !isWal || file.readUInt16BE(16) !== 4096)
      return [400, { error: "not a database that can be served" }];
    files.set(name!, file);
    return [200, {}];
  };

  const server = createServer((request, response) => {
    void answer(request).then(
      ([status, body]) => response.writeHead(status).end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(599).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    files,
    created,
    requests,
    faults,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
