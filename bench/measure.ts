import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** The cost of a command. */
export interface Cost {
  seconds: number;
  cpuSeconds: number;
}

/** Run a shell pipeline and measure its wall time and the CPU time of its processes. */
export async function shell(command: string): Promise<Cost> {
  const timed = `set -o pipefail; TIMEFORMAT='%R %U %S'; time { ${command}; }`;
  const child = spawn("bash", ["-c", timed], { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (piece: Buffer) => (errors += String(piece)));
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  const times = /([\d.]+) ([\d.]+) ([\d.]+)\s*$/.exec(errors);
  if (code !== 0 || times === null) throw new Error(`${command} failed: ${errors}`);
  const [real, user, system] = times.slice(1).map(Number) as [number, number, number];
  return { seconds: real, cpuSeconds: user + system };
}

export function has(command: string): boolean {
  try {
    execFileSync("which", [command], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/**
 * List the workerd processes in a process group (Linux only; none elsewhere), except the one that listens on
 * `port`: that is wrangler's own proxy, which grows with every request.
 */
export function workerdsOf(group: number, port: number): number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        try {
          const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
          const afterName = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
          if (Number(afterName[2]) !== group || !stat.includes("(workerd)")) return false;
          return !readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(
            `entry=127.0.0.1:${port}\0`,
          );
        } catch {
          return false; // it has ended in the meantime
        }
      });
  } catch {
    return [];
  }
}

/** Sum the CPU seconds that processes have used so far. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const afterName = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(afterName[11]) + Number(afterName[12]);
  });
  return ticks.reduce((sum, value) => sum + value, 0) / 100;
}

/** Reset the peak, so that the next reading covers only what follows. */
export function resetPeak(pids: readonly number[]): void {
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** Read the resident memory of processes, in bytes: `VmHWM` for the peak, `VmRSS` for now. */
export function memory(pids: readonly number[], field: "VmHWM" | "VmRSS"): number {
  const sizes = pids.map((pid) => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024;
  });
  return sizes.reduce((sum, value) => sum + value, 0);
}
