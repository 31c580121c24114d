import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import { manPageOf } from "../../../scripts/lib/manual.ts";
import { completionFor } from "../../../src/cli/line/complete.ts";
import { describeCommands } from "../../../src/cli/line/describe.ts";

/** What is made of the commands: completion, their documentation and the manual page. */
async function complete(...words: string[]): Promise<string[]> {
  const script = completionFor("bash", await describeCommands());
  const line = ["nightjar", ...words].map((word) => `'${word}'`).join(" ");
  const ask = `nightjar() { printf 'shop\\nshipping\\n'; }
COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _nightjar; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync("bash", ["-c", `${script}\n${ask}`], { encoding: "utf8" });
  return out.split("\n").filter(Boolean);
}

describe("completion in bash", () => {
  it.each([
    ["pu", ["pull"]],
    ["al", ["alert"]],
    ["alert ", ["list", "show", "channels", "test"]],
    ["link re", ["revoke"]],
    ["pull sh", ["shop", "shipping"]],
    ["log pull sh", ["shop", "shipping"]],
    ["pull shop --over", ["--overwrite"]],
    ["backup shop --no", ["--no-wait"]],
    ["token create --s", ["--scope"]],
    ["run sh", []],
    ["nothing ", []],
  ])("%s", async (line, expected) => {
    expect(await complete(...line.split(" "))).toEqual(expected);
  });
});

describe("the other shells", () => {
  it("have every command and every option", async () => {
    const commands = await describeCommands();
    const [zsh, fish] = [completionFor("zsh", commands), completionFor("fish", commands)];
    expect(zsh).toMatch(/^#compdef nightjar\n/);
    for (const { name, args } of commands) {
      expect(zsh).toContain(`"${name}")`);
      expect(fish).toContain(` -a ${name.split(" ").at(-1)}`);
      for (const arg of args)
        if (!arg.isPositional) expect(fish, name).toContain(` -l ${arg.name}`);
    }
  });
});

describe("docs/cli.md and the manual page", () => {
  it("tell of the commands as they are", { timeout: 30_000 }, () => {
    const made = execFileSync(process.execPath, [join(ROOT, "scripts/docs.ts"), "--print"]);
    expect(readFileSync(join(ROOT, "docs/cli.md"), "utf8"), "npm run docs").toBe(made.toString());
  });

  it("have no line that man(1) takes for a request", async () => {
    const page = manPageOf(await describeCommands(), "0.1.0");
    const requests = page.split("\n").filter((line) => /^[.']/.test(line));
    expect(requests.every((line) => /^\.(TH|SH|TP|B|RS|RE)\b/.test(line))).toBe(true);
    expect(page).toContain("\\fBnightjar pull <database>\\fR");
  });
});
