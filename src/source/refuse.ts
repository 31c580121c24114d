import { type ErrorCode, NightjarError } from "../errors.ts";
import { redact, type Source } from "./server.ts";
import type { Watchdog } from "./watchdog.ts";

/**
 * Throw for an answer that is not the 200 that it should be, with the start of what the server said.
 *
 * @throws NightjarError as `refusalOf` tells
 */
export async function refuseStatus(
  source: Source,
  response: Response,
  watchdog: Watchdog,
  request: string,
  unexpected: ErrorCode = "PAGES_INVALID",
): Promise<never> {
  const text = await watchdog.guard("SOURCE_CUT", () => response.text()).catch(() => "");
  throw refusalOf(source, request, response.status, text, unexpected);
}

/**
 * The error that a status and its text stand for: `SOURCE_UNAUTHORIZED`, `SOURCE_NOT_FOUND`,
 * `SOURCE_ERROR`, or `unexpected` for a success or a redirect. The token is taken out before the text
 * is cut, as half of it would not be known.
 */
export function refusalOf(
  source: Source,
  request: string,
  status: number,
  text: string,
  unexpected: ErrorCode = "PAGES_INVALID",
): NightjarError {
  const said = redact(text.replaceAll(/\s+/g, " ").trim(), source).slice(0, 200);
  const message = `${request} answered ${status}${said === "" ? "" : `: ${said}`}`;
  if (status === 401 || status === 403) return new NightjarError("SOURCE_UNAUTHORIZED", message);
  if (status === 404 || status === 400) return new NightjarError("SOURCE_NOT_FOUND", message);
  return new NightjarError(status < 400 ? unexpected : "SOURCE_ERROR", message);
}
