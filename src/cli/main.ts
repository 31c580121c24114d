#!/usr/bin/env node
import { type ArgsDef, type CommandDef, defineCommand, runCommand, showUsage } from "citty";
import { messageOf } from "../errors/errors.ts";
import { VERSION } from "../core/version.ts";
import { CliError, EXIT, type ExitCode } from "./exit.ts";
import { print, printAside, printJsonError } from "./output.ts";
import { clearLine } from "./progress.ts";
import { refuseMistakes } from "./refuse-mistakes.ts";
import { removeUnfinished } from "./files/unfinished.ts";

// eslint-disable-next-line typescript/no-explicit-any -- each command has arguments of its own
type Command = CommandDef<any>;

const commands: Record<string, () => Promise<Command>> = {
  backup: () => import("./commands/backup.ts").then((module) => module.default),
  list: () => import("./commands/list.ts").then((module) => module.default),
  status: () => import("./commands/status.ts").then((module) => module.default),
  url: () => import("./commands/url.ts").then((module) => module.default),
  download: () => import("./commands/download.ts").then((module) => module.default),
  pull: () => import("./commands/pull.ts").then((module) => module.default),
  query: () => import("./commands/query.ts").then((module) => module.default),
  restore: () => import("./commands/restore.ts").then((module) => module.default),
  timeline: () => import("./commands/timeline.ts").then((module) => module.default),
  verify: () => import("./commands/verify.ts").then((module) => module.default),
  drill: () => import("./commands/drill.ts").then((module) => module.default),
  copy: () => import("./commands/copy.ts").then((module) => module.default),
  erase: () => import("./commands/erase.ts").then((module) => module.default),
  erasures: () => import("./commands/erasures.ts").then((module) => module.default),
  rebuild: () => import("./commands/rebuild.ts").then((module) => module.default),
  reconcile: () => import("./commands/reconcile.ts").then((module) => module.default),
  pin: () => import("./commands/pin.ts").then((module) => module.default),
  unpin: () => import("./commands/unpin.ts").then((module) => module.default),
  prune: () => import("./commands/prune.ts").then((module) => module.default),
};

const main = defineCommand({
  meta: { name: "nightjar", version: VERSION, description: "Backups of libSQL databases" },
  subCommands: commands,
});

async function run(argv: string[]): Promise<ExitCode> {
  const [name = "", ...rest] = argv;
  if (name === "--version") {
    print(VERSION);
    return EXIT.ok;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (argv.length === 0 || argv.includes("--help") || argv.includes("-h")) {
    if (load === undefined) await showUsage(main);
    else await showUsage(await load(), main);
    return argv.length === 0 ? EXIT.usage : EXIT.ok;
  }
  try {
    if (load === undefined)
      throw new CliError(EXIT.usage, `There is no command ${name}.`, {
        hint: "See nightjar --help.",
      });
    const command = await load();
    refuseMistakes(name, rest, (await command.args) as ArgsDef);
    await runCommand(command, { rawArgs: rest });
    return EXIT.ok;
  } catch (error) {
    return report(error, argv.includes("--json"));
  }
}

/** Tell what went wrong on standard error, and what to do next. */
function report(error: unknown, json: boolean): ExitCode {
  if (error instanceof CliError) {
    const { message, hint, code, exit } = error;
    if (json) printJsonError({ error: { message, hint, code } });
    else {
      printAside(`nightjar: ${message}`);
      if (hint !== undefined && hint !== "") printAside(`  ${hint}`);
    }
    return exit;
  }
  printAside(`nightjar: ${messageOf(error)}`);
  if (error instanceof Error && error.name === "CLIError") {
    printAside("  See nightjar --help");
    return EXIT.usage;
  }
  return EXIT.failed;
}

/** Leave nothing half done on this machine, tell what is so elsewhere, and end. */
function stop(signal: string, exit: ExitCode): never {
  clearLine();
  const hint = removeUnfinished();
  process.exit(
    report(
      new CliError(exit, `Stopped by ${signal}.`, { hint, code: "STOPPED" }),
      process.argv.includes("--json"),
    ),
  );
}

process.umask(0o077); // databases and dumps are for nobody but the user who asked for them
process.on("SIGINT", () => stop("SIGINT", EXIT.interrupted));
process.on("SIGTERM", () => stop("SIGTERM", EXIT.terminated));
process.exitCode = await run(process.argv.slice(2));
