import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A server started as a child process. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  /** Its output so far, for error messages. */
  output(): string;
  stop(): Promise<void>;
  /** Resolves when the process ends, for whatever reason. */
  readonly ended: Promise<void>;
}

interface Options {
  name: string;
  command: string;
  args: string[];
  url: string;
  env?: Record<string, string>;
  cwd?: string;
  /** Called with each piece of output as it comes. */
  onOutput?: (text: string) => void;
}

/** Time limit for a server's first answer, ms. */
const START_TIMEOUT = 60_000;

/**
 * Start a server and wait until its address answers HTTP.
 *
 * @throws Error with the server's last output if it ends or does not answer in time
 */
export async function startServer(options: Options): Promise<ServerProcess> {
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // its own process group, so that its children end with it
  });
  let printed = "";
  const collect = (piece: Buffer) => {
    printed = (printed + String(piece)).slice(-200_000);
    options.onOutput?.(String(piece));
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  let failure: Error | undefined;
  child.on("error", (error) => (failure = error));

  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = () => stopGroup(child);
  const until = Date.now() + START_TIMEOUT;
  while (!(await answers(options.url))) {
    const ended = child.exitCode ?? child.signalCode;
    if (failure !== undefined || ended !== null || Date.now() > until) {
      await stop();
      const why =
        failure?.message ?? (ended === null ? "it does not answer" : `it ended: ${ended}`);
      throw new Error(`${options.name} did not start: ${why}\n${printed.slice(-2000)}`);
    }
    await sleep(100);
  }
  return { url: options.url, pid: child.pid!, output: () => printed, stop, ended: exited };
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url, { signal: AbortSignal.timeout(2000) })).body?.cancel();
    return true;
  } catch {
    return false;
  }
}

async function stopGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  const ended = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    try {
      process.kill(-child.pid, signal);
    } catch {
      break; // the process group has ended
    }
    await Promise.race([ended, sleep(3000)]);
  }
}

/** @throws Error if something already listens on a port of this machine */
export async function refuseBusyPort(port: number): Promise<void> {
  if (await answers(`http://127.0.0.1:${port}`))
    throw new Error(`Something answers on port ${port} already: choose another with --port.`);
}

/** Find a TCP port on 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}
