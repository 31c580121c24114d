import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../../scripts/lib/paths.ts";

/** The command line: of the source, or another one, as `node dist/nightjar.js`. */
export const COMMAND: readonly string[] = process.env["NIGHTJAR_COMMAND"]?.split(" ") ?? [
  process.execPath,
  join(ROOT, "src/cli/main.ts"),
];

export interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** Run the command line in a separate process, as a user does. */
export async function runCli(
  args: readonly string[],
  cwd: string,
  env: Record<string, string>,
  input = "",
): Promise<Outcome> {
  const [program, ...command] = [...COMMAND, ...args];
  try {
    // npm sets INIT_CWD to the folder where it was called; here the user is in another folder.
    const inherited = { ...process.env, INIT_CWD: cwd };
    const options = { cwd, env: { ...inherited, ...env }, maxBuffer: 64 * 1024 * 1024 };
    const running = promisify(execFile)(program!, command, options);
    running.child.stdin?.end(input);
    const { stdout, stderr } = await running;
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

/**
 * Run the command line on a terminal, created by `script` of Debian's bsdutils, and type one line once it
 * asks for it. The terminal's output is `err`.
 */
export async function runOnTerminal(
  args: readonly string[],
  cwd: string,
  env: Record<string, string>,
  answer: string,
): Promise<Outcome> {
  const command = [...COMMAND, ...args];
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
