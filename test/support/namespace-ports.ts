import { createServer, request as send, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * Give each namespace of a libSQL server a port of its own, as each database of Turso Cloud has a host of its
 * own. Requests are passed on as they are, with the namespace's header.
 *
 * @returns the ports by the namespaces' names
 */
export async function openNamespacePorts(
  url: string,
  namespaces: readonly string[],
): Promise<{ ports: Map<string, number>; stop(): Promise<void> }> {
  const to = new URL(url);
  const ports = new Map<string, number>();
  const servers: Server[] = [];
  for (const namespace of namespaces) {
    const header = Buffer.from(namespace).toString("base64").replace(/=+$/, "");
    const server = createServer((incoming, answer) => {
      const { method, url: path, headers } = incoming;
      const passed = send(
        {
          host: to.hostname,
          port: to.port,
          method,
          path,
          headers: { ...headers, "x-namespace-bin": header },
        },
        (response) => {
          answer.writeHead(response.statusCode!, response.headers);
          response.pipe(answer);
        },
      );
      passed.on("error", () => answer.destroy());
      incoming.pipe(passed);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports.set(namespace, (server.address() as AddressInfo).port);
    servers.push(server);
  }
  return {
    ports,
    async stop() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}
