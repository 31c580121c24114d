import { connect, createServer, type AddressInfo } from "node:net";

export interface CountingProxy {
  url: string;
  /** Bytes that the server sent, and requests (counting one per write), since the last call. */
  take(): { received: number; requests: number };
  stop(): Promise<void>;
}

/** Start a TCP proxy that counts what a server sends. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(target);
  let received = 0;
  let requests = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    client.on("data", (data) => (requests += String(data).match(/^(GET|POST) /gm)?.length ?? 0));
    upstream.on("data", (data) => (received += data.length));
    client.pipe(upstream).pipe(client);
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const taken = { received, requests };
      received = requests = 0;
      return taken;
    },
    async stop() {
      server.close();
    },
  };
}
