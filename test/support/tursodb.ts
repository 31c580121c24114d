import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { freePort, type ServerProcess, startServer } from "../../scripts/lib/server-process.ts";

const require = createRequire(import.meta.url);

/** Return the binary of Turso's own engine, which the package `turso` brings for this machine. */
function binary(): string {
  const machine = `${process.platform}-${process.arch}${process.platform === "linux" ? "-gnu" : ""}`;
  const paths = [dirname(require.resolve("turso/package.json"))];
  const found = require.resolve(`@tursodatabase/cli-${machine}/package.json`, { paths });
  return join(dirname(found), "tursodb");
}

/**
 * Start a real server of Turso's engine for one database file. It serves `POST /pull-updates` and
 * `POST /v2/pipeline`, and nothing else.
 *
 * @param flags like `--experimental-views`
 */
export async function startTursodb(
  file: string,
  flags: readonly string[] = [],
  port?: number,
): Promise<ServerProcess> {
  const address = `127.0.0.1:${port ?? (await freePort())}`;
  return startServer({
    name: "tursodb",
    command: binary(),
    args: [file, "--sync-server", address, ...flags],
    url: `http://${address}`,
  });
}
