import { Session } from "node:inspector/promises";

/**
 * Measure the work of the code under src/ in `action`: how often its blocks run, as V8 counts them, and how
 * many characters the built-in searches scan.
 */
export async function workOf(action: () => void): Promise<number> {
  const session = new Session();
  session.connect();
  let searched = 0;
  const restore = [
    countSearches(String.prototype, (characters) => (searched += characters)),
    countSearches(Uint8Array.prototype, (bytes) => (searched += bytes)),
  ];
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    action();
    const { result } = await session.post("Profiler.takePreciseCoverage");
    const blocks = result
      .filter(({ url }) => url.includes("/src/"))
      .flatMap(({ functions }) => functions)
      .flatMap(({ ranges }) => ranges)
      .reduce((sum, { count }) => sum + count, 0);
    return blocks + searched;
  } finally {
    for (const undo of restore) undo();
    await session.post("Profiler.stopPreciseCoverage");
    session.disconnect();
  }
}

type Searchable = { indexOf: (this: { length: number }, wanted: never, from?: number) => number };

function countSearches(prototype: object, onSearch: (length: number) => void): () => void {
  const searchable = prototype as Searchable;
  const { indexOf } = searchable;
  searchable.indexOf = function count(wanted, from = 0) {
    const found = indexOf.call(this, wanted, from);
    onSearch((found === -1 ? this.length : found) - from);
    return found;
  };
  return () => {
    searchable.indexOf = indexOf;
  };
}
