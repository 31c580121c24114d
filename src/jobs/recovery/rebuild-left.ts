import type { ErrorReport, NightjarError } from "../../errors/errors.ts";

/** An object in the bucket that cannot be entered, and the reason. */
export interface Left {
  readonly key: string;
  readonly error: ErrorReport;
}

/** Return true if R2 or D1 failed: nothing is known then, and the call is to be repeated. */
export function isOutage({ code }: NightjarError): boolean {
  return code === "STORE_FAILED" || code === "CATALOG_FAILED";
}
