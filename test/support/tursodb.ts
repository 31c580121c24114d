import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/paths.ts";
import { freePort, type ServerProcess, startServer } from "../../scripts/lib/server-process.ts";

/** The binary of Turso's own engine. */
const TURSODB = join(ROOT, "node_modules/@tursodatabase/cli-linux-x64-gnu/tursodb");

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
  if (!existsSync(TURSODB))
    throw new Error(
      "There is no tursodb for this machine: its locked npm package is for Linux on x64.",
    );
  const address = `127.0.0.1:${port ?? (await freePort())}`;
  return startServer({
    name: "tursodb",
    command: TURSODB,
    args: [file, "--sync-server", address, ...flags],
    url: `http://${address}`,
  });
}
