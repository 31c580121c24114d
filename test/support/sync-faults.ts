import type { ServerResponse } from "node:http";

/** A fault of the sync stand-in, as a test sends it. */
export interface SyncFault {
  /** The start of the path that it befalls: `info`, `export`, `sync/2`, … */
  on: string;
  /** So many such requests pass before it. */
  skip?: number;
  /** Befalls so many requests; 1 unless told. */
  times?: number;
  /** What happens to the database before the answer is made. */
  before?: "checkpoint" | "checkpoint, forget";
  /** Another status than the database's. */
  status?: number;
  /** Another body: text, or what `bytes` makes of the true one. */
  body?: string;
  headers?: Record<string, string>;
  /** Overwrites bytes of the body: offset, then hexadecimal digits. */
  patch?: [number, string][];
  /** Flips all bits of the byte at this offset. */
  flip?: number;
  /** Leaves so many bytes of the body, counted from the end when negative. */
  end?: number;
  /** Adds so many zero bytes. */
  pad?: number;
  /** Sends the body in chunks, without saying how long it is. */
  chunked?: boolean;
  /** Breaks the connection after so many bytes. */
  cut?: number;
  /** Sends so many bytes and then nothing more. */
  stall?: number;
  /** Never answers. */
  silent?: boolean;
}

/** The faults that are still to come. */
export class SyncFaults {
  #faults: SyncFault[] = [];

  /** Replaces whatever was set before. */
  set(faults: SyncFault[]): void {
    this.#faults = faults;
  }

  /** The fault that befalls this request, or null. */
  take(path: string): SyncFault | null {
    for (const fault of this.#faults) {
      if (!path.startsWith(fault.on)) continue;
      if ((fault.skip ?? 0) > 0) {
        fault.skip! -= 1;
        continue;
      }
      fault.times ??= 1;
      if (fault.times === 0) continue;
      fault.times -= 1;
      return fault;
    }
    return null;
  }

  spoil(fault: SyncFault, status: number, truth: Buffer, response: ServerResponse): void {
    if (fault.silent) return;
    let body = Buffer.from(fault.body ?? truth);
    for (const [offset, hex] of fault.patch ?? []) body.set(Buffer.from(hex, "hex"), offset);
    if (fault.flip !== undefined) body[fault.flip]! ^= 0xff;
    if (fault.end !== undefined) body = body.subarray(0, fault.end);
    if (fault.pad !== undefined) body = Buffer.concat([body, Buffer.alloc(fault.pad)]);
    response.writeHead(fault.status ?? status, {
      ...(fault.chunked ? {} : { "content-length": body.length }),
      ...fault.headers,
    });
    if (fault.cut !== undefined)
      response.write(body.subarray(0, fault.cut), () => response.destroy());
    else if (fault.stall !== undefined) response.write(body.subarray(0, fault.stall));
    else response.end(body);
  }
}
