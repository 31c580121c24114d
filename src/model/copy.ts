import type { ErrorReport } from "../errors/errors.ts";

/** The state of a backup's second copy, as the catalog records it. */
export interface CopyState {
  /** `copied` only once the copied bytes were read back and are those of the manifest. */
  readonly state: "copying" | "copied" | "failed";
  /** Time from which the state holds, ISO 8601. */
  readonly at: string;
  /** The store that it refers to: see `SecondStore.to`. */
  readonly to: string;
  /** The error of the last try, if it failed. */
  readonly error: ErrorReport | null;
  /** The upload by parts that was begun there and has not ended. */
  readonly uploadId: string | null;
}
