/** Memory of a Worker, in bytes: V8's used heap and the backing stores of its ArrayBuffers. */
export interface Heap {
  /** The peak since the last call. */
  takePeak(this: void): number;
  stop(this: void): void;
}

/** Sampling interval of the heap, ms; a collection before each sample takes some 20 ms by itself. */
const LOOK_EVERY = 10;
const COLLECT_EVERY = 100;

/**
 * Watch the heap of a Worker through wrangler's inspector on a port. It counts nearly what Cloudflare's limit
 * of 128 MB counts; native memory of zlib, zstd and age is missing.
 *
 * @param collects whether V8 collects garbage before each sample, so that only what is held counts
 */
export async function watchHeap(port: number, collects = false): Promise<Heap> {
  const headers = {
    // The origin that wrangler accepts.
    origin: "https://devtools.devprod.cloudflare.dev",
    "user-agent": "Mozilla/5.0 Chrome/130.0.0.0",
  };
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers } as unknown as string[]);
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("the inspector lets nobody in")));
  });
  let peak = 0;
  let id = 0;
  let stopped = false;
  const ask = (method: string) => socket.send(JSON.stringify({ id: ++id, method }));
  const look = () => {
    if (collects) ask("HeapProfiler.collectGarbage");
    ask("Runtime.getHeapUsage");
  };
  socket.addEventListener("message", ({ data }) => {
    const { result } = JSON.parse(String(data)) as { result?: Record<string, number> };
    if (result?.["usedSize"] === undefined) return;
    const { usedSize, backingStorageSize = 0, embedderHeapUsedSize = 0 } = result;
    peak = Math.max(peak, usedSize + backingStorageSize + embedderHeapUsedSize);
    if (!stopped) setTimeout(look, collects ? COLLECT_EVERY : LOOK_EVERY);
  });
  ask("Runtime.enable");
  look();
  return {
    takePeak() {
      const taken = peak;
      peak = 0;
      return taken;
    },
    stop() {
      stopped = true;
      socket.close();
    },
  };
}
