import type { ErrorReport, NightjarError } from "../../errors/errors.ts";

/** What is in the bucket and cannot be entered, and why. */
export interface Left {
  readonly key: string;
  readonly error: ErrorReport;
}

/** Whether R2 or D1 failed: then nothing is known, and the call is to be repeated. */
export function isOutage({ code }: NightjarError): boolean {
  return code === "STORE_FAILED" || code === "CATALOG_FAILED";
}
