/** The outside world: everything that a test may want to control. */
export interface Deps {
  /** Milliseconds since the epoch. */
  now(): number;
  /** `length` bytes from a cryptographic source. */
  randomBytes(length: number): Uint8Array;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Resolves after `ms` milliseconds. */
  sleep(ms: number): Promise<void>;
}

export const systemDeps: Deps = {
  now: () => Date.now(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  fetch: (url, init) => fetch(url, init),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford's base32: no i, l, o, u

/** A random id of `length` characters, five bits each: 12 give 60 bits. */
export function randomId(deps: Deps, length = 12): string {
  return Array.from(deps.randomBytes(length), (byte) => ALPHABET[byte & 31]).join("");
}
