import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../../scripts/lib/paths.ts";

export interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** The command line in a process of its own, as a user runs it. */
export async function runCli(
  args: readonly string[],
  cwd: string,
  env: Record<string, string>,
  input = "",
): Promise<Outcome> {
  const command = [join(ROOT, "src/cli/main.ts"), ...args];
  try {
    // npm tells where it was called; here that is not where the user stands.
    const options = { cwd, env: { ...process.env, INIT_CWD: cwd, ...env } };
    const running = promisify(execFile)(process.execPath, command, options);
    running.child.stdin?.end(input);
    const { stdout, stderr } = await running;
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}
