/**
 * `npm run bench -- --mb 300`: what a capture costs. One run on one server; only the ratios mean
 * anything on another machine. Prints a table and JSON, and keeps the JSON in bench/results/.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printTable } from "../src/cli/output.ts";
import { VERSION } from "../src/version.ts";
import { benchCapture } from "./capture.ts";

const { values } = parseArgs({ options: { mb: { type: "string", default: "300" } } });
const mb = Number(values.mb);
if (!Number.isInteger(mb) || mb < 1) throw new Error("--mb must be a whole number of megabytes");

const lines = await benchCapture(mb);
const number = (value: number | undefined, digits = 1) => value?.toFixed(digits) ?? "";
printTable([
  ["", "seconds", "MB/s", "× curl", "CPU s", "peak MB", "grew MB", "stored MB"],
  ...lines.map((line) => [
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

const at = new Date().toISOString();
const machine = `${cpus().length} × ${cpus()[0]?.model}`;
const result = { at, nightjar: VERSION, machine, mb, lines };
const folder = join(import.meta.dirname, "results");
const file = join(folder, `capture-${mb}mb-${at.slice(0, 10)}.json`);
await mkdir(folder, { recursive: true });
await writeFile(file, `${JSON.stringify(result, undefined, 2)}\n`);
console.log(JSON.stringify(result));
