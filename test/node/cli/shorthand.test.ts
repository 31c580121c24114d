import { describe, expect, it } from "vitest";
import { loadCommand } from "../../../src/cli/line/registry.ts";
import { writeOut } from "../../../src/cli/line/shorthand.ts";

/** Short forms of a line, and what they stand for. */
const NOW = Date.parse("2026-11-20T12:00:00.000Z");

async function written(line: string, database?: string) {
  const [name, ...argv] = line.split(" ");
  const { args } = await loadCommand(name!);
  return writeOut(argv, args, { now: NOW, database });
}

describe("a line is written out", () => {
  it.each([
    ["pull shop --at -2h", "shop --at=2026-11-20T10:00:00.000Z"],
    ["pull shop --at=-90s -o x.db", "shop --at=2026-11-20T11:58:30.000Z -o x.db"],
    ["pull shop --at yesterday", "shop --at=2026-11-19T12:00:00.000Z"],
    ["pull shop --at 2026-11-20T10:00:00Z", "shop --at=2026-11-20T10:00:00Z"],
    [
      "list shop --since -7d --until -1d",
      "shop --since=2026-11-13T12:00:00.000Z --until=2026-11-19T12:00:00.000Z",
    ],
    ["pull shop --migration 0042", "shop --backup=migration:0042"],
    ["list shop --migration 0042", "shop --migration 0042"],
    ["pull shop --at", "shop --at"],
    ["diff shop -2h latest", "shop 2026-11-20T10:00:00.000Z latest"],
    ["backup shop --name --profile", "shop --name --profile"],
  ])("%s", async (line, expected) => {
    expect((await written(line)).rest.join(" ")).toBe(expected);
  });

  it("with the database of the repository, where none is named", async () => {
    const of = async (line: string) => (await written(line, "app")).rest.join(" ");
    expect(await of("pull")).toBe("app");
    expect(await of("pull -o x.db --overwrite")).toBe("app -o x.db --overwrite");
    expect(await of("pull shop -o x.db")).toBe("shop -o x.db");
    expect(await of("query SELECT")).toBe("app SELECT");
    expect(await of("query shop SELECT")).toBe("shop SELECT");
    expect(await of("status")).toBe("");
    expect(await of("run some-id")).toBe("some-id");
    expect(await of("query -- -1")).toBe("app -- -1");
  });

  it("with its profile taken out", async () => {
    expect(await written("prune --profile staging --dry-run")).toEqual({
      rest: ["--dry-run"],
      profile: "staging",
    });
  });

  it.each([
    "pull shop --at -5x",
    "pull shop --at --overwrite",
    "pull shop --migration 1 --backup x",
  ])("but not %s", async (line) => {
    await expect(written(line)).rejects.toMatchObject({ exit: 2 });
  });
});
