import * as v from "valibot";
import { said } from "./parts.ts";

/** Every refusal and every failure: RFC 9457. */
export const problemAnswer = v.object({
  type: said(v.string(), "`urn:nightjar:error:` and the code."),
  title: v.string(),
  status: v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599)),
  detail: said(v.string(), "What happened, to which database."),
  code: said(v.string(), "Stable; docs/errors.md lists them all."),
  hint: said(v.string(), "What to do now."),
  approval: said(
    v.optional(v.string()),
    "With `APPROVAL_REQUIRED`: the id of the request that waits for a second person.",
  ),
});

/** Return an example of a problem. */
export function problemExample(status: number, code: string, detail: string, hint: string) {
  return { type: `urn:nightjar:error:${code}`, title: code, status, detail, code, hint };
}
