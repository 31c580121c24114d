import { type Described, optionOf, usageOf } from "../../src/cli/line/describe.ts";

/** Options of nearly every command, which the text before tells of. */
const COMMON: ReadonlySet<string> = new Set(["json", "profile"]);

/** Write the commands as Markdown: a table of all, then the options of each. */
export function markdownOf(commands: readonly Described[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const rows = commands.map(
    (command) => `| \`${cell(usageOf(command))}\` | ${cell(command.description)} |`,
  );
  const sections = commands.map((command) => {
    const told = command.args.filter(({ name }) => !COMMON.has(name));
    const options = told.map((arg) => {
      const what = arg.isPositional ? `<${arg.name}>` : optionOf(arg);
      const preset = arg.default === undefined ? "" : ` (default: \`${arg.default}\`)`;
      return `- \`${what}\`: ${arg.description}${preset}`;
    });
    return [
      `### ${usageOf(command).replaceAll("<", "\\<")}`,
      `${command.description}.`,
      options.join("\n"),
    ]
      .filter(Boolean)
      .join("\n\n");
  });
  return [
    "| command | what it does |",
    "| --- | --- |",
    ...rows,
    "",
    "## Options",
    "",
    sections.join("\n\n"),
  ].join("\n");
}

/** Write the commands as a page for man(1). */
export function manPageOf(commands: readonly Described[], version: string): string {
  const roff = (text: string) =>
    text.replaceAll("\\", "\\\\").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&");
  const lines = [
    `.TH NIGHTJAR 1 "" "nightjar ${version}" "User Commands"`,
    ".SH NAME",
    "nightjar \\- backups of Turso and libSQL databases",
    ".SH SYNOPSIS",
    ".B nightjar",
    "\\fIcommand\\fR [\\fIoptions\\fR]",
    ".SH COMMANDS",
  ];
  for (const command of commands) {
    lines.push(".TP", `\\fB${roff(usageOf(command))}\\fR`, `${roff(command.description)}.`);
    for (const arg of command.args) {
      if (arg.isPositional) continue;
      const preset = arg.default === undefined ? "" : ` (default: ${arg.default})`;
      lines.push(".RS", ".TP", `\\fB${roff(optionOf(arg))}\\fR`);
      lines.push(roff(arg.description + preset), ".RE");
    }
  }
  lines.push(
    ".SH ENVIRONMENT",
    ".TP",
    "\\fBNIGHTJAR_URL\\fR, \\fBNIGHTJAR_TOKEN\\fR",
    "Address and token. They win over profiles.",
    ".TP",
    "\\fBNIGHTJAR_PROFILE\\fR",
    "The profile to use, as \\-\\-profile.",
    ".SH FILES",
    ".TP",
    "~/.config/nightjar/profiles.json",
    "Addresses and tokens, for their user alone.",
    ".TP",
    "nightjar.json",
    "In the repository of an application: its Nightjar and its database.",
    ".SH EXIT STATUS",
    "0 done; 1 the work failed; 2 called wrongly; 3 refused by Nightjar; 4 Nightjar cannot be reached; 130 and 143 stopped by a signal.",
  );
  return `${lines.join("\n")}\n`;
}
