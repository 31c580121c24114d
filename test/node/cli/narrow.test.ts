import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";

/** Tables on a terminal, created by `script` of Debian's bsdutils. */
const PROGRAM = `
import { paint, printTable } from ${JSON.stringify(join(ROOT, "src/cli/output.ts"))};
printTable([["name", "state", "newest backup"], ["shop", paint("green", "fresh"), "2026-11-20 03:00 UTC"], ["blog", "none", ""]]);
`;

function onTerminal(columns: number): string {
  const line = `stty cols ${columns}; '${process.execPath}' --input-type=module --eval "$PROGRAM"`;
  const { FORCE_COLOR: _, ...inherited } = process.env;
  const env = { ...inherited, PROGRAM, NODE_NO_WARNINGS: "1" };
  const out = execFileSync("script", ["-qec", line, "/dev/null"], { env, encoding: "utf8" });
  // eslint-disable-next-line no-control-regex
  return out.replaceAll(/\r|\u001b\[\d*m/g, "");
}

it("are tables where they fit, and lines for each row where they do not", () => {
  expect(onTerminal(80)).toBe(
    "name  state  newest backup\nshop  fresh  2026-11-20 03:00 UTC\nblog  none\n",
  );
  expect(onTerminal(30)).toBe(
    "shop\n  state          fresh\n  newest backup  2026-11-20 03:00 UTC\nblog\n  state          none\n",
  );
});
