import { type ErrorCode, NightjarError } from "../errors.ts";
import type { Watchdog } from "./watchdog.ts";

/**
 * Throw for an answer that is not the 200 that it should be, with the start of what the server said.
 *
 * @throws NightjarError `SOURCE_UNAUTHORIZED`, `SOURCE_NOT_FOUND`, `SOURCE_ERROR`, or `unexpected`
 * for a success or a redirect
 */
export async function refuseStatus(
  response: Response,
  watchdog: Watchdog,
  request: string,
  unexpected: ErrorCode = "PAGES_INVALID",
): Promise<never> {
  const { status } = response;
  const said = await watchdog.guard("SOURCE_CUT", () => response.text()).then(excerpt, () => "");
  const message = `${request} answered ${status}${said === "" ? "" : `: ${said}`}`;
  if (status === 401 || status === 403) throw new NightjarError("SOURCE_UNAUTHORIZED", message);
  if (status === 404 || status === 400) throw new NightjarError("SOURCE_NOT_FOUND", message);
  if (status < 400) throw new NightjarError(unexpected, message);
  throw new NightjarError("SOURCE_ERROR", message);
}

/** The start of an error page, on one line. */
function excerpt(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim().slice(0, 200);
}
