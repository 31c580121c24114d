import type { ServerResponse } from "node:http";

/** A fault of the sync stand-in, as a test sends it. */
export interface SyncFault {
  /** The start of the affected path: `info`, `export`, `sync/2`, … */
  on: string;
  /** Number of such requests that pass first. */
  skip?: number;
  /** Number of requests affected; 1 by default. */
  times?: number;
  /** Change to the database before the answer is made. */
  before?: "checkpoint" | "checkpoint, forget";
  /** Status that replaces the database's. */
  status?: number;
  /** Body that replaces the true one: text, or the result of `bytes`. */
  body?: string;
  headers?: Record<string, string>;
  /** Overwrites bytes of the body: offset, then hexadecimal digits. */
  patch?: [number, string][];
  /** Flips all bits of the byte at this offset. */
  flip?: number;
  /** Truncates the body to this many bytes, counted from the end if negative. */
  end?: number;
  /** Appends this many zero bytes. */
  pad?: number;
  /** Sends the body in chunks, without its length. */
  chunked?: boolean;
  /** Breaks the connection after this many bytes. */
  cut?: number;
  /** Sends this many bytes and then nothing more. */
  stall?: number;
  /** Never answers. */
  silent?: boolean;
}

/** Faults that are still to come. */
export class SyncFaults {
  #faults: SyncFault[] = [];

  /** Replace all faults. */
  set(faults: SyncFault[]): void {
    this.#faults = faults;
  }

  /** Take the fault for this request, or null. */
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
