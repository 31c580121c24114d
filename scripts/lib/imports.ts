import { posix } from "node:path";
import { PURE, ROOMS } from "./rooms.ts";

/** An import that its room does not allow. */
export interface Forbidden {
  file: string;
  line: number;
  why: string;
}

/** `import … from`, `export … from`, `import "…"`, `import("…")`. */
const IMPORT =
  /^(?:import|export)\s+(type\s+)?(?:[\w$*\s{},]+?\s+from\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;
/** Bindings and secrets as Cloudflare provides them; all other code works with a Context. */
const ENVIRONMENT = "src/worker/env.ts";
/** Platform modules that a pure room may import. */
const HARMLESS = /^node:(?:buffer|crypto|util|zlib|stream)$/;
const PLATFORM = /^(?:node|cloudflare|bun):/;

/**
 * Find the imports of a file that its room does not allow.
 *
 * @param file its path below the root, with slashes: `src/plan/tier.ts`
 */
export function forbiddenImports(file: string, text: string): Forbidden[] {
  const from = roomOf(file);
  const room = ROOMS[from];
  if (room === undefined)
    return [{ file, line: 1, why: `scripts/lib/rooms.ts knows no room ${from}` }];
  const found: Forbidden[] = [];
  for (const { 1: type, 2: named, 3: dynamic, index } of text.matchAll(IMPORT)) {
    const specifier = named ?? dynamic!;
    const line = text.slice(0, index).split("\n").length;
    const refuse = (why: string) => found.push({ file, line, why });
    if (!specifier.startsWith(".")) {
      if (PURE.includes(from) && PLATFORM.test(specifier) && !HARMLESS.test(specifier))
        refuse(`${from} does no I/O, and may not import ${specifier}`);
      continue;
    }
    const path = posix.join(posix.dirname(file), specifier);
    if (!path.startsWith("src/")) {
      if (path !== "package.json") refuse(`src may not import ${path}`);
      continue;
    }
    const to = roomOf(path);
    if (path === ENVIRONMENT && from !== "worker" && from !== "index.ts")
      refuse(`${from} may not see the environment`);
    if (to === from || room.may.includes(to)) continue;
    const { types = [] } = room;
    if (types.includes(to) && type !== undefined) continue;
    refuse(`${from} may not import ${types.includes(to) ? `more than types of ${to}` : to}`);
  }
  return found;
}

/** Return the first folder below src/, or the file itself. */
function roomOf(path: string): string {
  return path.split("/")[1]!;
}
