#!/usr/bin/env node
import { defineCommand, runCommand, showUsage } from "citty";
import { messageOf } from "../errors/errors.ts";
import { VERSION } from "../core/version.ts";
import { readProject } from "./account/project.ts";
import { CliError, EXIT, type ExitCode } from "./exit.ts";
import { print, printAside, printJsonError } from "./output.ts";
import { clearLine } from "./progress.ts";
import { optionsOf, refuseMistakes } from "./line/refuse-mistakes.ts";
import { refuseSwallowed } from "./line/swallowed.ts";
import { ALIASES, COMMANDS, loadCommand } from "./line/registry.ts";
import { writeOut } from "./line/shorthand.ts";
import { nearest } from "../plan/nearest.ts";
import { workingFolder } from "./files/folder.ts";
import { removeUnfinished } from "./files/unfinished.ts";

const main = defineCommand({
  meta: { name: "nightjar", version: VERSION, description: "Backups of libSQL databases" },
  subCommands: COMMANDS,
});

async function run(argv: string[]): Promise<ExitCode> {
  if (argv[0] === "--version") {
    print(VERSION);
    return EXIT.ok;
  }
  const { name, isKnown, given } = findCommand(argv);
  if (argv.length === 0 || argv.includes("--help") || argv.includes("-h")) {
    if (isKnown) await showUsage((await loadCommand(name)).command, main);
    else await showUsage(main);
    return argv.length === 0 ? EXIT.usage : EXIT.ok;
  }
  try {
    if (!isKnown)
      throw new CliError(EXIT.usage, `There is no command ${name}.`, { hint: hintFor(name) });
    const { command, args } = await loadCommand(name);
    refuseSwallowed(optionsOf(args), argv, process.env);
    const database = readProject(workingFolder(process.env))?.database;
    const { rest, profile } = writeOut(given, args, { now: Date.now(), database });
    if (profile !== undefined) process.env["NIGHTJAR_PROFILE"] = profile;
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
    const called = argv.slice(0, words).join(" ");
    const name = ALIASES[called] ?? called;
    if (Object.hasOwn(COMMANDS, name)) return { name, isKnown: true, given: argv.slice(words) };
  }
  return { name: argv[0] ?? "", isKnown: false, given: [] };
}

function hintFor(name: string): string {
  const all = Object.keys(COMMANDS);
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
