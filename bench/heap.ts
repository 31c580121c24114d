/** What a Worker holds: V8's used heap with the backing stores of its ArrayBuffers, bytes. */
export interface Heap {
  /** The most since the last call. */
  takePeak(this: void): number;
  stop(this: void): void;
}

/** How often the heap is looked at, ms. */
const LOOK_EVERY = 10;

/**
 * Watch the heap of the Worker behind a port of wrangler's inspector. It counts what Cloudflare's limit
 * of 128 MB counts, nearly: native memory of zlib, zstd and age is not in it.
 */
export async function watchHeap(port: number): Promise<Heap> {
  const headers = {
    // What wrangler lets in.
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
  socket.addEventListener("message", ({ data }) => {
    const { result } = JSON.parse(String(data)) as { result?: Record<string, number> };
    if (result?.["usedSize"] === undefined) return;
    const { usedSize, backingStorageSize = 0, embedderHeapUsedSize = 0 } = result;
    peak = Math.max(peak, usedSize + backingStorageSize + embedderHeapUsedSize);
    if (!stopped) setTimeout(() => ask("Runtime.getHeapUsage"), LOOK_EVERY);
  });
  ask("Runtime.enable");
  ask("Runtime.getHeapUsage");
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
