/**
 * `npm run bench -- --mb 300`: measure a capture by dump.
 * `npm run bench -- pages --mb 300 --segments 1,100,1000`: measure captures by pages and the page log.
 *
 * `npm run bench -- memory --mb 100`: measure the memory of an isolate while captures, proofs, queries and
 * downloads run in it at once; with `--no-limit`, in a V8 without the limit of 128 MB;
 * with `--collect`, what is held after a collection of garbage.
 * `npm run bench -- bombs`: measure how much hostile servers and databases make a Worker grow, and how long
 * others wait.
 * `npm run bench -- turso --mb 100`: measure captures of databases that tursodb made, and compare what comes
 * back.
 *
 * One run on one server; on another machine only the ratios are comparable. Prints a table and JSON, and
 * keeps the JSON in bench/results/.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printTable } from "../src/cli/output.ts";
import { VERSION } from "../src/core/version.ts";
import { benchBombs } from "./bombs.ts";
import { benchCapture } from "./capture.ts";
import { benchMemory } from "./memory.ts";
import { benchPages } from "./pages.ts";
import { benchTurso } from "./turso.ts";

const { values, positionals } = parseArgs({
  options: {
    mb: { type: "string", default: "300" },
    "no-limit": { type: "boolean", default: false },
    collect: { type: "boolean", default: false },
    segments: { type: "string", default: "1,100,1000" },
  },
  allowPositionals: true,
});
const mb = Number(values.mb);
if (!Number.isInteger(mb) || mb < 1) throw new Error("--mb must be a whole number of megabytes");
const [what = "capture"] = positionals;
const benches = { pages, capture, memory: heap, bombs, turso };
if (!isBench(what)) throw new Error(`there is no bench ${what}`);

const at = new Date().toISOString();
const machine = `${cpus().length} × ${cpus()[0]?.model}`;
const lines = await benches[what]();
const result = { at, nightjar: VERSION, machine, mb, lines };
const folder = join(import.meta.dirname, "results");
const file = join(folder, `${what}-${mb}mb-${at.slice(0, 10)}.json`);
await mkdir(folder, { recursive: true });
await writeFile(file, `${JSON.stringify(result, undefined, 2)}\n`);
console.log(JSON.stringify(result));

function isBench(name: string): name is keyof typeof benches {
  return Object.hasOwn(benches, name);
}

async function turso() {
  const rows = await benchTurso(mb);
  printTable([["", ""], ...rows]);
  return rows;
}

async function pages() {
  const rows = await benchPages(mb, values.segments.split(",").map(Number));
  printTable([["", ""], ...rows]);
  return rows;
}

async function heap() {
  const rows = await benchMemory(mb, !values["no-limit"], values.collect);
  printTable([["", ""], ...rows]);
  return rows;
}

async function bombs() {
  const rows = await benchBombs();
  printTable([["", ""], ...rows]);
  return rows;
}

async function capture() {
  const measured = await benchCapture(mb);
  const number = (value: number | undefined, digits = 1) => value?.toFixed(digits) ?? "";
  printTable([
    ["", "seconds", "MB/s", "× curl", "CPU s", "peak MB", "grew MB", "stored MB"],
    ...measured.map((line) => [
      line.what,
      number(line.seconds),
      number(line.mbPerSecond),
      number(line.ratio, 2),
      number(line.cpuSeconds),
      number(line.peakMb, 0),
      number(line.grewMb, 0),
      number(line.storedMb),
    ]),
  ]);
  return measured;
}
