import type { Described } from "./describe.ts";

/** The shells that completion is written for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Prints the configured names, one a line, and nothing where nobody answers. */
const DATABASES = "nightjar completion databases 2>/dev/null";

/** Write the completion of a shell: commands, their options, and the names of databases. */
export function completionFor(shell: Shell, commands: readonly Described[]): string {
  return { bash, zsh, fish }[shell](commands);
}

const firstWords = (commands: readonly Described[]): string[] => [
  ...new Set(commands.map(({ name }) => name.split(" ")[0]!)),
];

/** The second words of commands of two, by the first. */
function secondWords(commands: readonly Described[]): Map<string, string[]> {
  const words = new Map<string, string[]>();
  for (const { name } of commands) {
    const [first, second] = name.split(" ");
    if (second !== undefined) words.set(first!, [...(words.get(first!) ?? []), second]);
  }
  return words;
}

const optionsOf = ({ args }: Described): string[] =>
  [...args.filter(({ isPositional }) => !isPositional).map(({ name }) => name), "help"].map(
    (name) => `--${name}`,
  );

const takesDatabase = ({ args }: Described): boolean =>
  args.some(({ isPositional, name }) => isPositional && name === "database");

function bash(commands: readonly Described[]): string {
  const cases = commands.map(
    (command) =>
      `    "${command.name}") options="${optionsOf(command).join(" ")}"; names=${takesDatabase(command) ? 1 : 0} ;;`,
  );
  const seconds = [...secondWords(commands)].map(
    ([first, words]) => `    ${first}) seconds="${words.join(" ")}" ;;`,
  );
  return `# Completion of nightjar for bash: source <(nightjar completion bash)
_nightjar() {
  local word="\${COMP_WORDS[COMP_CWORD]}" first="\${COMP_WORDS[1]}" second="\${COMP_WORDS[2]}"
  local options="" names=0 seconds="" command place=2
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${firstWords(commands).join(" ")}" -- "$word"))
    return
  fi
  case "$first" in
${seconds.join("\n")}
  esac
  command="$first"
  if [ -n "$seconds" ]; then
    if [ "$COMP_CWORD" -eq 2 ]; then
      COMPREPLY=($(compgen -W "$seconds" -- "$word"))
      return
    fi
    command="$first $second"
    place=3
  fi
  case "$command" in
${cases.join("\n")}
  esac
  if [ "\${word:0:1}" = "-" ]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [ "$names" -eq 1 ] && [ "$COMP_CWORD" -eq "$place" ]; then
    COMPREPLY=($(compgen -W "$(${DATABASES})" -- "$word"))
  fi
}
complete -o default -F _nightjar nightjar
`;
}

function zsh(commands: readonly Described[]): string {
  return `#compdef nightjar
# Completion of nightjar for zsh: nightjar completion zsh > "\${fpath[1]}/_nightjar"
autoload -U +X bashcompinit && bashcompinit
${bash(commands).split("\n").slice(1).join("\n")}`;
}

function fish(commands: readonly Described[]): string {
  const lines = ["# Completion of nightjar for fish: nightjar completion fish | source"];
  const seconds = secondWords(commands);
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const describe = (first: string) =>
    commands.find(({ name }) => name === first)?.description ?? seconds.get(first)!.join(", ");
  for (const first of firstWords(commands))
    lines.push(
      `complete -c nightjar -f -n __fish_use_subcommand -a ${first} -d ${quote(describe(first))}`,
    );
  for (const [first, words] of seconds)
    for (const second of words)
      lines.push(
        `complete -c nightjar -f -n '__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${words.join(" ")}' -a ${second}`,
      );
  for (const command of commands) {
    const seen = command.name
      .split(" ")
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join("; and ");
    if (takesDatabase(command))
      lines.push(`complete -c nightjar -f -n '${seen}' -a '(${DATABASES})'`);
    for (const { name, alias, isPositional, value, description } of command.args) {
      if (isPositional) continue;
      const short = alias === undefined ? "" : ` -s ${alias}`;
      const needs = value === undefined ? "" : " -r";
      lines.push(
        `complete -c nightjar -n '${seen}' -l ${name}${short}${needs} -d ${quote(description)}`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}
