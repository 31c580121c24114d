import { execFile, spawn } from "node:child_process";
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

/**
 * The command line on a terminal, which `script` of Debian's bsdutils makes, and one line typed once it asks
 * for it. What a terminal shows comes as `err`.
 */
export async function runOnTerminal(
  args: readonly string[],
  cwd: string,
  env: Record<string, string>,
  answer: string,
): Promise<Outcome> {
  const command = [process.execPath, join(ROOT, "src/cli/main.ts"), ...args];
  const line = command.map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qec", line, "/dev/null"], {
    cwd,
    env: { ...process.env, INIT_CWD: cwd, ...env },
  });
  let err = "";
  let answered = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    err += text;
    if (answered || !/(go on|not shown\)): /.test(err)) return;
    answered = true;
    child.stdin.write(`${answer}\r`);
  });
  const code = await new Promise<number | null>((done) => child.on("close", done));
  return { code: code ?? -1, out: "", err };
}
