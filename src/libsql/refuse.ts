import { type ErrorCode, NightjarError } from "../errors/errors.ts";
import { isEncoded, readText } from "../core/read-body.ts";
import { redact, type Source } from "./server.ts";
import type { Watchdog } from "./watchdog.ts";

/**
 * Throw for an answer that is not 200, as it should be, with the start of what the server said.
 *
 * @throws NightjarError as `refusalOf` makes it
 */
export async function refuseStatus(
  source: Source,
  response: Response,
  watchdog: Watchdog,
  request: string,
  unexpected: ErrorCode = "PAGES_INVALID",
): Promise<never> {
  const text = isEncoded(response)
    ? ""
    : await watchdog.guard("SOURCE_CUT", () => readText(response)).catch(() => "");
  throw refusalOf(source, request, response.status, text, unexpected);
}

/**
 * Refuse a compressed answer, which was not asked for. It is never decompressed.
 *
 * @throws NightjarError `unexpected`
 */
export function refuseEncoding(
  response: Response,
  request: string,
  unexpected: ErrorCode = "PAGES_INVALID",
): void {
  if (!isEncoded(response)) return;
  throw new NightjarError(
    unexpected,
    `${request} was asked for plain bytes and answered with content-encoding ${response.headers.get("content-encoding")}.`,
  );
}

/**
 * Make the error for a status and its text: `SOURCE_UNAUTHORIZED`, `SOURCE_NOT_FOUND`, `SOURCE_ERROR`, or
 * `unexpected` for a success or a redirect. The token is removed before the text is cut, as half of it
 * would not be recognized.
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
  return new NightjarError(codeOf(status, unexpected), message, { answered: status });
}

function codeOf(status: number, unexpected: ErrorCode): ErrorCode {
  if (status === 401 || status === 403) return "SOURCE_UNAUTHORIZED";
  if (status === 404 || status === 400) return "SOURCE_NOT_FOUND";
  return status < 400 ? unexpected : "SOURCE_ERROR";
}
