import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import { refuseMistakes } from "../../../src/cli/line/refuse-mistakes.ts";
import { ALIASES, COMMANDS, loadCommand } from "../../../src/cli/line/registry.ts";
import { writeOut } from "../../../src/cli/line/shorthand.ts";
import { CLI_CODES } from "../../../src/cli/exit.ts";
import { TRAITS } from "../../../src/errors/codes.ts";

/** Every command and every code that the documentation names, held against what there is. */
const FILES = [
  ...["README.md", "CONTRIBUTING.md", "SECURITY.md", ".github/workflows/check.yml"],
  ...readdirSync(join(ROOT, "docs"), { recursive: true })
    .map((path) => join("docs", String(path)))
    .filter((path) => path.endsWith(".md")),
  ...readdirSync(join(ROOT, "examples/gate")).map((name) => join("examples/gate", name)),
];

function textOf(file: string): string {
  try {
    return readFileSync(join(ROOT, file), "utf8");
  } catch {
    return "";
  }
}

const FIRST = new Set(Object.keys(COMMANDS).map((name) => name.split(" ")[0]));

/** Find the calls of the command: in blocks of code, and in words as code where a command is named. */
function callsIn(text: string): string[][] {
  const blocks = [...text.matchAll(/^```(?:sh|yaml|bash)[^\n]*\n([\s\S]*?)^```$/gm)]
    .flatMap(([, body]) => body!.replaceAll(/\\\n\s*/g, " ").split("\n"))
    .concat(text.startsWith("#!") ? text.split("\n") : [])
    .flatMap(callIn);
  const words = [...text.matchAll(/`((?:npx )?nightjar [^`\n]+)`/g)]
    .flatMap(([, code]) => callIn(code!))
    .filter(([first]) => FIRST.has(first) || first === "download");
  return [...blocks, ...words];
}

/** Read the call in a line, as a shell splits it: up to what is no part of it. */
function callIn(line: string): string[][] {
  const start = /(?:^|[\s(])(?:npx )?nightjar (?=[a-z])/.exec(line);
  if (start === null || line.trim().startsWith("#")) return [];
  const words: string[] = [];
  const token =
    /\s*(?:("(?:[^"\\]|\\.)*"|'[^']*'|<[\w -]+>|\[[\w -]+\]|[^\s"'|<>;)&#]+)+|$|[|<>;)&#])/y;
  token.lastIndex = start.index + start[0].length;
  for (let found = token.exec(line); found !== null; found = token.exec(line)) {
    const word = found[0].trim();
    if (word === "" || /^[|>;)&#]/.test(word) || word === "<" || word === "…") break;
    // What stands for something may be anything, and what may be left out is.
    if (!word.startsWith("["))
      words.push(word.replaceAll(/["'<>]|\$\{?|\}|:\?/g, "").replaceAll("…", "x"));
  }
  return [words];
}

const lines = FILES.flatMap((file) =>
  callsIn(textOf(file)).map((words) => ({ file, words, line: words.join(" ") })),
);

it("finds the commands", () => {
  expect(lines.length).toBeGreaterThan(200);
  expect(new Set(lines.map(({ words }) => words[0])).size).toBeGreaterThan(25);
});

it.each(lines)("$file: nightjar $line", async ({ words }) => {
  const two = words.slice(0, 2).join(" ");
  const [name, rest] = Object.hasOwn(COMMANDS, two)
    ? [two, words.slice(2)]
    : [ALIASES[words[0]!] ?? words[0]!, words.slice(1)];
  expect(Object.keys(COMMANDS)).toContain(name);
  const { args } = await loadCommand(name);
  // In a sentence an option may stand without its value, and a command without its database.
  const last = args[rest.at(-1)?.replace(/^--/, "") ?? ""];
  if (rest.at(-1)?.startsWith("--") === true && last?.type === "string") rest.push("x");
  const written = writeOut(rest, args, { now: Date.now(), database: "shop" }).rest;
  expect(() => refuseMistakes(name, written, args)).not.toThrow();
});

it.each(FILES.filter((file) => textOf(file) !== ""))("%s names no code that is not", (file) => {
  const known = new Set<string>([...Object.keys(TRAITS), ...CLI_CODES]);
  const other =
    /^(NIGHTJAR|ADMIN|SIGNING|SHOP|COPY|LOG|FORMER|OTHER|METRICS|TURSO|GATE|CI|GIT|GITHUB)_|^RESTORE_MARKER$/;
  const prefixes = new Set([...known].map((code) => code.split("_")[0]!));
  for (const [, code] of textOf(file).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g))
    if (prefixes.has(code!.split("_")[0]!) && !other.test(code!))
      expect(known, `${file}: ${code}`).toContain(code);
});
