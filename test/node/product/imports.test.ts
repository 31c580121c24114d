import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { forbiddenImports } from "../../../scripts/lib/imports.ts";
import { ROOT } from "../../../scripts/lib/paths.ts";
import { PURE, ROOMS } from "../../../scripts/lib/rooms.ts";

const rooms = Object.keys(ROOMS);
const folders = rooms.filter((room) => !room.endsWith(".ts"));
const pairs = folders.flatMap((from) =>
  rooms.filter((to) => to !== from).map((to) => [from, to] as const),
);
const target = (to: string) => (to.endsWith(".ts") ? `../${to}` : `../${to}/a.ts`);
const found = (from: string, text: string) =>
  forbiddenImports(`src/${from}/planted.ts`, text).map(({ why }) => why);

describe("imports between rooms", () => {
  it.each(pairs)("%s may import %s exactly where the table says so", (from, to) => {
    const { may, types = [] } = ROOMS[from]!;
    const value = may.includes(to);
    const planted = [
      `import { a } from "${target(to)}";`,
      `export * from "${target(to)}";`,
      `import "${target(to)}";`,
      `import {\n  a,\n  type B,\n} from "${target(to)}";`,
      `const a = await import("${target(to)}");`,
      `import { type A } from "${target(to)}";`,
    ];
    for (const text of planted)
      expect(found(from, `// one\n${text}\n`).length, text).toBe(value ? 0 : 1);
    const type = `import type { A } from "${target(to)}";`;
    expect(found(from, type).length, type).toBe(value || types.includes(to) ? 0 : 1);
  });

  it("from deep inside of a room count as the room's", () => {
    const forbidden = forbiddenImports(
      "src/format/sql/planted.ts",
      'import { a } from "../bytes/bytes.ts";\nimport { b } from "../../store/keys.ts";\n',
    );
    expect(forbidden).toEqual([
      { file: "src/format/sql/planted.ts", line: 2, why: "format may not import store" },
    ]);
  });

  it("of the environment are the entry's and the worker's own", () => {
    for (const room of folders)
      expect(found(room, 'import type { Env } from "../worker/env.ts";').length, room).toBe(
        room === "worker" ? 0 : ROOMS[room]!.may.includes("worker") ? 1 : 2,
      );
  });

  it.each(PURE)("%s may not import what does I/O, nor anything outside of src", (room) => {
    for (const named of ["node:fs", "node:timers", "node:http", "cloudflare:workers"])
      expect(found(room, `import { a } from "${named}";`), named).toHaveLength(1);
    expect(found(room, 'import { createHash } from "node:crypto";')).toEqual([]);
    expect(found(room, 'import { a } from "../support/chance.ts";')).toHaveLength(1);
  });

  it("are refused by `npm run check`, with the file and the line", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    expect(scripts["check"]).toMatch(/^node scripts\/check-imports\.ts && /);
    const dir = mkdtempSync(join(tmpdir(), "nightjar-imports-"));
    try {
      for (const room of folders) {
        mkdirSync(join(dir, "src", room), { recursive: true });
        const other = folders.find((to) => to !== room && !ROOMS[room]!.may.includes(to))!;
        writeFileSync(join(dir, "src", room, "a.ts"), `\nimport { a } from "${target(other)}";\n`);
      }
      const script = join(ROOT, "scripts/check-imports.ts");
      const { status, stderr } = spawnSync(process.execPath, [script, dir], { encoding: "utf8" });
      expect(status).toBe(1);
      for (const room of folders) expect(stderr).toContain(`src/${room}/a.ts:2: ${room} may not`);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe("the rooms", () => {
  it("are the folders of src, each with its line in docs/design.md", () => {
    const inTree = readdirSync(join(ROOT, "src"));
    expect(rooms.toSorted()).toEqual(inTree.toSorted());
    const design = readFileSync(join(ROOT, "docs/design.md"), "utf8");
    for (const room of folders) {
      const { may, types = [] } = ROOMS[room]!;
      const line = design.split("\n").find((text) => text.startsWith(`| \`${room}/\``));
      const told = line?.split("|")[3]?.trim();
      const list = [...may.toSorted(), ...types.map((name) => `types of ${name}`)].join(", ");
      expect(told, room).toBe(list === "" ? "nothing" : list);
    }
  });

  it("hold at most 20 files each, in folders by what they do", () => {
    const counts = (folder: string): [string, number][] => {
      const entries = readdirSync(folder, { withFileTypes: true });
      const inside = entries.filter((entry) => entry.isDirectory());
      return [
        [folder, entries.length - inside.length],
        ...inside.flatMap(({ name }) => counts(join(folder, name))),
      ];
    };
    expect(counts(join(ROOT, "src")).filter(([, files]) => files > 20)).toEqual([]);
  });
});
