import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import { CLI_CODES } from "../../../src/cli/exit.ts";
import { TRAITS } from "../../../src/errors/codes.ts";
import { NightjarError } from "../../../src/errors/errors.ts";
import { refusalOf } from "../../../src/libsql/refuse.ts";
import { retryBusy } from "../../../src/target/retry-busy.ts";
import { asTargetError } from "../../../src/target/target-error.ts";

const rows = readFileSync(join(ROOT, "docs/errors.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));

describe("docs/errors.md", () => {
  it("has every code in the order of the table, with its status and whether a retry can help", () => {
    const told = rows.slice(0, Object.keys(TRAITS).length);
    expect(told.map(([, code, status, retry]) => [code, status, retry])).toEqual(
      Object.entries(TRAITS).map(([code, { status, retryable }]) => [
        `\`${code}\``,
        String(status),
        retryable ? "yes" : "no",
      ]),
    );
    for (const [, code, , , meaning] of told) expect(meaning, code).toMatch(/^[A-Z].{15,}\.$/);
  });

  it("has every code of the command line, and no other", () => {
    const told = rows.slice(Object.keys(TRAITS).length).map(([, code]) => code);
    expect(told).toEqual(CLI_CODES.map((code) => `\`${code}\``));
  });
});

describe("a server that is busy", () => {
  const target = { url: "http://127.0.0.1:1", stallMs: 1000 };
  const busyFor = (times: number, status: number) => {
    let calls = 0;
    const slept: number[] = [];
    const deps = { sleep: async (ms: number) => void slept.push(ms) };
    const action = async () => {
      if (calls++ < times)
        throw asTargetError(target as never, refusalOf(target as never, "POST /", status, "no"));
      return "done";
    };
    return { run: () => retryBusy(deps as never, action), slept, calls: () => calls };
  };

  it("is asked again with growing pauses, by the status of its answer", async () => {
    const server = busyFor(3, 429);
    expect(await server.run()).toBe("done");
    expect(server.slept).toEqual([500, 1000, 2000]);
    const forever = busyFor(Infinity, 429);
    await expect(forever.run()).rejects.toMatchObject({ code: "TARGET_FAILED", answered: 429 });
    expect(forever.calls()).toBe(6);
  });

  it("is not asked again for another status, or for words that look like one", async () => {
    const broken = busyFor(1, 500);
    await expect(broken.run()).rejects.toMatchObject({ answered: 500 });
    expect(broken.calls()).toBe(1);
    let calls = 0;
    const words = async () => {
      calls++;
      throw new NightjarError("TARGET_FAILED", "the proxy answered 429 once");
    };
    await expect(retryBusy({} as never, words)).rejects.toThrow("answered 429");
    expect(calls).toBe(1);
  });
});
