import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FILES, type Files, nameFile, setAside } from "../../../src/cli/files/name-file.ts";

/** A process that ends at some step, as by SIGKILL or a power cut. */
class Crash extends Error {}

let dir: string;
const at = (name: string) => join(dir, name);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "nightjar-name-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Wrap Node's file system to crash before step number `steps`; checks `holds` around each step. */
function crashing(steps: number, links: boolean, holds: () => void): Files & { taken: number } {
  const step = (name: keyof Files) =>
    (async (...args: [string, string]) => {
      holds();
      if (files.taken === steps) throw new Crash();
      files.taken++;
      if (name === "link" && !links)
        throw Object.assign(new Error("operation not supported"), { code: "ENOTSUP" });
      const value = await (FILES[name] as (...paths: string[]) => Promise<unknown>)(...args);
      holds();
      return value;
    }) as never;
  const files = {
    taken: 0,
    link: step("link"),
    rename: step("rename"),
    copy: step("copy"),
    remove: step("remove"),
    exists: step("exists"),
    sync: step("sync"),
  };
  return files;
}

describe.each([true, false])("with hard links: %s", (links) => {
  it("always has a file at the name that is replaced, and loses neither", async () => {
    for (let steps = 0; ; steps++) {
      const [file, made] = [at(`db-${steps}`), at(`made-${steps}`)];
      writeFileSync(file, "old", { mode: 0o640 });
      writeFileSync(made, "new", { mode: 0o600 });
      const holds = () => expect(["old", "new"]).toContain(readFileSync(file, "utf8"));
      const files = crashing(steps, links, holds);
      let kept: string | undefined;
      try {
        kept = await setAside(file, `${file}.before`, files);
        await nameFile(made, file, true, files);
      } catch (error) {
        expect(error).toBeInstanceOf(Crash);
        holds();
        if (existsSync(`${file}.before`))
          expect(readFileSync(`${file}.before`, "utf8")).toBe("old");
        else expect(readFileSync(file, "utf8")).toBe("old");
        continue;
      }
      expect(files.taken).toBeGreaterThan(3);
      expect(readFileSync(file, "utf8")).toBe("new");
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(readFileSync(kept, "utf8")).toBe("old");
      expect(statSync(kept).mode & 0o777).toBe(0o640);
      expect(existsSync(made)).toBe(false);
      expect(readdirSync(dir).filter((name) => name.endsWith(".aside"))).toEqual([]);
      break;
    }
  });

  it("never takes a name that another file was given meanwhile", async () => {
    writeFileSync(at("made"), "new");
    writeFileSync(at("theirs"), "theirs");
    const files = crashing(Infinity, links, () => {});
    await expect(nameFile(at("made"), at("theirs"), false, files)).rejects.toMatchObject({
      message: expect.stringContaining("is there already"),
    });
    expect(readFileSync(at("theirs"), "utf8")).toBe("theirs");
    await nameFile(at("made"), at("free"), false, files);
    expect(readdirSync(dir).toSorted()).toEqual(["free", "theirs"]);
  });

  it("keeps every file that was set aside, in one second too", async () => {
    const files = crashing(Infinity, links, () => {});
    for (const content of ["1", "2", "3"]) {
      writeFileSync(at("made"), content);
      if (existsSync(at("db"))) await setAside(at("db"), at("db.before"), files);
      await nameFile(at("made"), at("db"), true, files);
    }
    const contents = readdirSync(dir).map((name) => [name, readFileSync(at(name), "utf8")]);
    expect(Object.fromEntries(contents)).toEqual({
      db: "3",
      "db.before": "1",
      "db.before-2": "2",
    });
  });
});
