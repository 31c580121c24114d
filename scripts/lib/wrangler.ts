import { spawn } from "node:child_process";
import { ROOT, WRANGLER } from "./paths.ts";

/** The access of setup and deploy to Cloudflare: only through wrangler's command line. */
export interface Wrangler {
  /** Run a command and show its output to the user too; `input` goes to its standard input. */
  run(args: string[], input?: string): Promise<string>;
  /** Run a command and return its output; resolves even if the command fails. */
  ask(args: string[]): Promise<{ ok: boolean; output: string }>;
}

/** Return the wrangler of this project. */
export function wrangler(): Wrangler {
  const start = (args: string[], input: string | undefined, show: boolean) =>
    new Promise<{ ok: boolean; output: string }>((resolve, reject) => {
      const child = spawn(process.execPath, [WRANGLER, ...args], {
        cwd: ROOT,
        stdio: [input === undefined ? "inherit" : "pipe", "pipe", "pipe"],
        env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
      });
      let output = "";
      const collect = (piece: Buffer) => {
        output += String(piece);
        if (show) process.stdout.write(piece);
      };
      child.stdout!.on("data", collect);
      child.stderr!.on("data", collect);
      child.once("error", reject);
      child.once("close", (code) => resolve({ ok: code === 0, output }));
      child.stdin?.end(input);
    });
  return {
    ask: (args) => start(args, undefined, false),
    async run(args, input) {
      const { ok, output } = await start(args, input, true);
      if (!ok) throw new Error(`wrangler ${args.join(" ")} failed; its words are above.`);
      return output;
    },
  };
}

/** Print every command instead of running it; answers as an empty account would. */
export function dryWrangler(print: (line: string) => void): Wrangler {
  return {
    async run(args, input) {
      print(`wrangler ${args.join(" ")}${input === undefined ? "" : " < (a secret)"}`);
      return "";
    },
    async ask(args) {
      print(`wrangler ${args.join(" ")}`);
      return { ok: true, output: "[]" };
    },
  };
}
