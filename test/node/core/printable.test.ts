import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  type Part,
  paint,
  print,
  printAside,
  printJson,
  printJsonError,
  printTable,
} from "../../../src/cli/output.ts";
import { Progress } from "../../../src/cli/progress.ts";
import { log } from "../../../src/core/log.ts";
import { printable, printableJson, printableLines } from "../../../src/core/printable.ts";
import { badgeSvg } from "../../../src/web/badge.ts";

/** Check by hand for characters that a terminal obeys, and for invalid UTF-16. */
function isRaw(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    const next = text.charCodeAt(at + 1);
    if (unit >= 0xd800 && unit <= 0xdbff && next >= 0xdc00 && next <= 0xdfff) at++;
    else if (unit >= 0xd800 && unit <= 0xdfff) return true;
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f)) return true;
    if ([0x61c, 0x200e, 0x200f, 0xfeff, 0xfffe, 0xffff].includes(unit)) return true;
    if ((unit >= 0x2028 && unit <= 0x202e) || (unit >= 0x2066 && unit <= 0x2069)) return true;
  }
  return false;
}

/** Texts with many characters that have an effect, with whole surrogate pairs and halves of pairs. */
const hostile = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0xa0 }),
      fc.integer({ min: 0x2000, max: 0x2070 }),
      fc.integer({ min: 0xd7f0, max: 0xe010 }),
      fc.constantFrom(0x61c, 0xfeff, 0xfffe, 0xffff, 0x1b, 0x9b, 0x0d, 0x0a),
      fc.integer({ min: 0, max: 0xffff }),
    ),
    { maxLength: 40 },
  )
  .map((units) => String.fromCharCode(...units));

const trials = { numRuns: Number(process.env["TRIALS"] ?? 150) };

describe("words from outside", () => {
  it("are shown, and not obeyed", () => {
    expect(printable("\u001b]0;owned\u0007\u009b2J\u007f")).toBe("\\x1b]0;owned\\x07\\x9b2J\\x7f");
    expect(printable("gpj.\u202eexe\u2028\ud800\n")).toBe("gpj.\\u202eexe\\u2028\\ud800\\x0a");
    expect(printable("Größe 📦 👩‍👩‍👧 日本 \\x1b")).toBe("Größe 📦 👩‍👩‍👧 日本 \\x1b");
    expect(printableLines("a\u001b\nb\r")).toBe("a\\x1b\nb\\x0d");
    fc.assert(
      fc.property(hostile, (text) => {
        expect(isRaw(printable(text))).toBe(false);
        expect(printable(printable(text))).toBe(printable(text));
      }),
      trials,
    );
  });

  it("are the same values in JSON", () => {
    fc.assert(
      fc.property(fc.dictionary(hostile, fc.array(hostile)), (value) => {
        for (const indent of [undefined, 2]) {
          const text = printableJson(value, indent);
          expect(isRaw(text.replaceAll("\n", ""))).toBe(false);
          expect(JSON.parse(text)).toEqual(value);
        }
        expect(printableJson(value)).not.toContain("\n");
      }),
      trials,
    );
  });
});

describe("what is printed", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  /** Capture what an action writes, by whatever means. */
  function written(action: () => void): string[] {
    const lines: string[] = [];
    const keep = (text: unknown) => lines.push(String(text)) > 0;
    for (const way of ["log", "error", "info", "warn"] as const)
      vi.spyOn(console, way).mockImplementation(keep);
    vi.spyOn(process.stderr, "write").mockImplementation(keep);
    action();
    vi.restoreAllMocks();
    return lines;
  }

  // The colours that we put there ourselves.
  // eslint-disable-next-line no-control-regex
  const plain = (line: string) => line.replaceAll(/\u001B\[(1|2|22|31|32|39)m/g, "");

  it.each(["0", "1"])("has no control of a source's, with FORCE_COLOR=%s", (color) => {
    vi.stubEnv("FORCE_COLOR", color);
    fc.assert(
      fc.property(hostile, hostile, (one, other) => {
        const parts: Part[] = [one, paint("red", other), paint(["bold", "green"], one)];
        // Colours from a source are shown as text: they are not among ours.
        const lines = [
          ...written(() => print(...parts)),
          ...written(() => printAside(...parts)),
          ...written(() => printTable([parts, parts.toReversed(), ["", one, ""]])),
          ...written(() => printJsonError({ error: { message: one, hint: other } })),
          ...written(() => log.info("run-started", { [one]: other })),
          ...written(() => log.error("run-failed", new Error(one, { cause: other }), { other })),
        ];
        expect(lines).toHaveLength(8);
        for (const line of lines) expect(isRaw(plain(line)), JSON.stringify(line)).toBe(false);
        const [json] = written(() => printJson([one, other]));
        expect(JSON.parse(json!)).toEqual([one, other]);
        expect(isRaw(json!.replaceAll("\n", ""))).toBe(false);
      }),
      trials,
    );
  });

  it("lines a table up by what is shown", () => {
    const lines = written(() =>
      printTable([
        ["a", "b", "c"],
        ["\u001b", paint("red", "x"), ""],
        ["1", "22", "3"],
      ]),
    );
    // eslint-disable-next-line no-control-regex
    expect(lines.map((line) => line.replaceAll(/\u001B\[\d+m/g, ""))).toEqual([
      "a     b   c",
      "\\x1b  x",
      "1     22  3",
    ]);
  });

  it("is one line of progress", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        for (const isTTY of [true, false]) {
          const [line = ""] = written(() => new Progress(false, { isTTY }).show(`${text}.`));
          const words = isTTY ? line.replace("\r\u001B[2K", "") : line.replace(/\n$/, "");
          expect(isRaw(words), JSON.stringify(line)).toBe(false);
        }
      }),
      trials,
    );
  });

  it("tells a fault of ours on one line of the log, with its place", () => {
    const cause = new Error("boom\nnightjar: all is well\u001b[2J");
    const lines = written(() => log.error("run-failed", cause));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: "error",
      code: "INTERNAL",
      message: cause.message,
      stack: expect.stringContaining("printable.test"),
    });
  });
});

it("a badge is XML whatever it says", () => {
  fc.assert(
    fc.property(hostile, hostile, (label, message) => {
      const svg = badgeSvg({ label, message, color: "red" });
      expect(isRaw(svg.replace(/\n$/, ""))).toBe(false);
      expect(svg).toMatch(/ width="\d+" /);
    }),
    trials,
  );
});
