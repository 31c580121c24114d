#!/usr/bin/env node
import { type ArgsDef, type CommandDef, defineCommand, runCommand, showUsage } from "citty";
import { messageOf } from "../errors/errors.ts";
import { VERSION } from "../core/version.ts";
import { CliError, EXIT, type ExitCode } from "./exit.ts";
import { print, printAside, printJsonError } from "./output.ts";
import { clearLine } from "./progress.ts";
import { optionsOf, refuseMistakes } from "./refuse-mistakes.ts";
import { refuseSwallowed } from "./swallowed.ts";
import { nearest } from "../plan/nearest.ts";
import { removeUnfinished } from "./files/unfinished.ts";

// eslint-disable-next-line typescript/no-explicit-any -- each command has arguments of its own
type Command = CommandDef<any>;

/** The commands by their names, which may have two words. */
const commands: Record<string, () => Promise<Command>> = {
  status: () => import("./commands/status.ts").then((module) => module.default),
  health: () => import("./commands/health.ts").then((module) => module.default),
  backup: () => import("./commands/backup.ts").then((module) => module.default),
  badge: () => import("./commands/badge.ts").then((module) => module.default),
  run: () => import("./commands/run.ts").then((module) => module.default),
  runs: () => import("./commands/runs.ts").then((module) => module.default),
  list: () => import("./commands/list.ts").then((module) => module.default),
  pull: () => import("./commands/pull.ts").then((module) => module.default),
  url: () => import("./commands/link/url.ts").then((module) => module.default),
  "link list": () => import("./commands/link/list.ts").then((module) => module.default),
  "link revoke": () => import("./commands/link/revoke.ts").then((module) => module.default),
  restore: () => import("./commands/restore.ts").then((module) => module.default),
  query: () => import("./commands/query.ts").then((module) => module.default),
  diff: () => import("./commands/diff.ts").then((module) => module.default),
  timeline: () => import("./commands/timeline.ts").then((module) => module.default),
  "log pull": () => import("./commands/log/pull.ts").then((module) => module.default),
  verify: () => import("./commands/verify.ts").then((module) => module.default),
  drill: () => import("./commands/drill.ts").then((module) => module.default),
  proofs: () => import("./commands/proofs.ts").then((module) => module.default),
  pin: () => import("./commands/pin/pin.ts").then((module) => module.default),
  unpin: () => import("./commands/pin/unpin.ts").then((module) => module.default),
  copy: () => import("./commands/copy.ts").then((module) => module.default),
  erase: () => import("./commands/erasure/erase.ts").then((module) => module.default),
  erasures: () => import("./commands/erasure/erasures.ts").then((module) => module.default),
  prune: () => import("./commands/prune.ts").then((module) => module.default),
  "token create": () => import("./commands/token/create.ts").then((module) => module.default),
  "token list": () => import("./commands/token/list.ts").then((module) => module.default),
  "token revoke": () => import("./commands/token/revoke.ts").then((module) => module.default),
  "approval list": () => import("./commands/approval/list.ts").then((module) => module.default),
  "approval grant": () => import("./commands/approval/grant.ts").then((module) => module.default),
  "approval deny": () => import("./commands/approval/deny.ts").then((module) => module.default),
  "alert list": () => import("./commands/alert/list.ts").then((module) => module.default),
  "alert show": () => import("./commands/alert/show.ts").then((module) => module.default),
  "alert channels": () => import("./commands/alert/channels.ts").then((module) => module.default),
  "alert test": () => import("./commands/alert/test.ts").then((module) => module.default),
  audit: () => import("./commands/audit.ts").then((module) => module.default),
  reconcile: () => import("./commands/reconcile.ts").then((module) => module.default),
  rebuild: () => import("./commands/rebuild.ts").then((module) => module.default),
};

/** Other names of commands. */
const ALIASES: Readonly<Record<string, string>> = { download: "pull" };

const main = defineCommand({
  meta: { name: "nightjar", version: VERSION, description: "Backups of libSQL databases" },
  subCommands: commands,
});

async function run(argv: string[]): Promise<ExitCode> {
  if (argv[0] === "--version") {
    print(VERSION);
    return EXIT.ok;
  }
  const { name, load, rest } = findCommand(argv);
  if (argv.length === 0 || argv.includes("--help") || argv.includes("-h")) {
    if (load === undefined) await showUsage(main);
    else await showUsage(await load(), main);
    return argv.length === 0 ? EXIT.usage : EXIT.ok;
  }
  try {
    if (load === undefined)
      throw new CliError(EXIT.usage, `There is no command ${name}.`, { hint: hintFor(name) });
    const command = await load();
    const args = (await command.args) as ArgsDef;
    refuseSwallowed(optionsOf(args), argv, process.env);
    refuseMistakes(name, rest, args);
    await runCommand(command, { rawArgs: rest });
    return EXIT.ok;
  } catch (error) {
    return report(error, argv.includes("--json"));
  }
}

/** Find the command that a line begins with: two words, or one. */
function findCommand(argv: readonly string[]) {
  for (const words of [2, 1]) {
    const given = argv.slice(0, words).join(" ");
    const name = ALIASES[given] ?? given;
    if (Object.hasOwn(commands, name))
      return { name, load: commands[name], rest: argv.slice(words) };
  }
  return { name: argv[0] ?? "", load: undefined, rest: [] };
}

function hintFor(name: string): string {
  const all = Object.keys(commands);
  const first = all.map((command) => command.split(" ")[0]!);
  const near = nearest(name, [...first, ...Object.keys(ALIASES)]);
  const isMeant = (command: string) => command === near || command.startsWith(`${near} `);
  const meant = [...all, ...Object.keys(ALIASES)].filter(isMeant);
  return meant.length > 0 ? `Did you mean ${meant.join(" or ")}?` : "See nightjar --help.";
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
