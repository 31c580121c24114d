import type { ErrorReport } from "../errors/errors.ts";

/** The state of a backup's second copy, as the catalog records it. */
export interface CopyState {
  /** `copied` only when the copied bytes were read back and are those of the manifest. */
  readonly state: "copying" | "copied" | "failed";
  /** Since when, ISO 8601. */
  readonly at: string;
  /** The store that it is about: see `SecondStore.to`. */
  readonly to: string;
  /** Why it failed. */
  readonly error: ErrorReport | null;
  /** The upload by parts that was begun and not ended there. */
  readonly uploadId: string | null;
}
