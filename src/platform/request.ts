import { type Deps } from "../core/deps.ts";
import { log } from "../core/log.ts";
import { printable } from "../core/printable.ts";
import { isEncoded, readStart, readText } from "../core/read-body.ts";
import { messageOf, NightjarError } from "../errors/errors.ts";
import { Gate } from "./gate.ts";

/** Which organization is asked, where, and with what. */
export interface PlatformOptions {
  /** The address of the platform API, without a trailing slash. */
  readonly api: string;
  readonly organization: string;
  /** The platform token. It is sent to `api` only, and is in no error. */
  readonly token: string;
  readonly deps: Deps;
  /** Time limit of one request, its answer included, ms. */
  readonly patience?: number;
}

export interface PlatformRequest {
  /** What is done, for people: `listing databases`. */
  readonly what: string;
  readonly method: "GET" | "POST";
  /** The parts of the path after the organization. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
}

/**
 * Send a request, and return what `read` makes of its answer, which is JSON. What `read` throws has the token in
 * its words no more than any other error.
 *
 * @throws NightjarError `PLATFORM_…`
 */
export type Ask = <T>(request: PlatformRequest, read: (answer: unknown) => T) => Promise<T>;

const PATIENCE = 30_000;
/** Requests of one client at once; Turso documents no limit. */
const AT_ONCE = 4;
/** Tries of a request, and the first pause, ms; each pause is twice the one before, give or take a half. */
const TRIES = 5;
const FIRST_PAUSE = 500;
/** Longest pause that an answer may ask for, ms. */
const LONGEST_PAUSE = 60_000;
/** Bytes of an answer: a page of 100 databases has some 100 KB. */
const LARGEST_ANSWER = 8 * 1024 * 1024;
/** Characters of an error's message. */
const LONGEST_MESSAGE = 500;

/**
 * Parts of a path. An API reads `.` and `..` as folders, and `/` as their end.
 */
const PART = /^(?!\.{1,2}$)[^\p{Cc}/]{1,255}$/u;

/** Return true if a name can be part of a request's path. */
export function isPathPart(text: string): boolean {
  return PART.test(text);
}

/**
 * Make the function that sends all requests of one client, at most four at once. A connection that breaks, an
 * answer that is cut or late, 408, 429 and 5xx are tried again, five times in all.
 */
export function askerOf({ api, organization, token, deps, patience }: PlatformOptions): Ask {
  const gate = new Gate(AT_ONCE);
  const attempt = async (request: PlatformRequest): Promise<unknown> => {
    const { what, method, path, query = {} } = request;
    const parts = [organization, ...path];
    if (!/^[\x21-\x7E]+$/.test(token))
      throw new NightjarError(
        "PLATFORM_UNAUTHORIZED",
        `Turso's platform API, ${what}: the platform token has characters that no token has.`,
      );
    const wrong = parts.find((part) => !isPathPart(part));
    if (wrong !== undefined) throw invalid(what, `${JSON.stringify(wrong)} is no name`);
    const address = ["v1", "organizations", ...parts.map(encodeURIComponent)].join("/");
    const search = new URLSearchParams(query).toString();
    const response = await deps.fetch(`${api}/${address}${search && `?${search}`}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        "accept-encoding": "identity",
        "user-agent": "nightjar",
      },
      // A redirect would show the token to somebody else.
      redirect: "manual",
      signal: AbortSignal.timeout(patience ?? PATIENCE),
    });
    log.debug("server-answered", () => ({ path: `/${address}`, status: response.status }));
    return response.ok ? readAnswer(response, what) : refuse(response, what, deps);
  };
  const tried: Ask = async (request, read) => {
    try {
      return read(await gate.run(() => attempt(request)));
    } catch (thrown) {
      throw shown(thrown, request.what, token);
    }
  };
  return async (request, read) => {
    for (let tries = 1; ; tries++) {
      try {
        return await tried(request, read);
      } catch (thrown) {
        const error = thrown as NightjarError;
        if (!error.retryable || tries === TRIES) throw error;
        await deps.sleep(Math.max(pauseAfter(tries, deps), Number(error.facts["retryAfter"] ?? 0)));
      }
    }
  };
}

/** Make the error of an answer that cannot be true, or that tells that the request was wrong. */
export function invalid(what: string, why: string, answered?: number): NightjarError {
  return new NightjarError("PLATFORM_INVALID", `Turso's platform API, ${what}: ${why}.`, {
    answered,
  });
}

/** Read the JSON of an answer. @throws NightjarError `PLATFORM_INVALID`, `PLATFORM_UNREACHABLE`; whatever the connection throws */
async function readAnswer(response: Response, what: string): Promise<unknown> {
  const refused = isEncoded(response) ? "the answer is compressed, which nobody asked for" : "";
  const { bytes, whole } = await readStart(refused ? null : response.body, LARGEST_ANSWER);
  if (refused) await response.body?.cancel();
  if (refused) throw invalid(what, refused);
  if (!whole) throw invalid(what, `the answer has more than ${LARGEST_ANSWER} bytes`);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // Cut by a proxy, or the page of one: a later answer may be the API's.
    throw unreachable(what, `the answer is no JSON: ${wordsOf(new TextDecoder().decode(bytes))}`);
  }
}

/** @throws NightjarError for an answer with this status; `retryAfter` of its facts is the pause that it asks for, ms */
async function refuse(response: Response, what: string, deps: Deps): Promise<never> {
  const { status, headers } = response;
  if (status >= 300 && status < 400) {
    await response.body?.cancel();
    throw invalid(what, `it answered ${status}, and redirects are not followed`, status);
  }
  const words = isEncoded(response) ? "" : wordsOf(await readText(response).catch(() => ""));
  const said = `it answered ${status}${words === "" ? "" : `: ${words}`}`;
  if (status === 401 || status === 403)
    throw new NightjarError("PLATFORM_UNAUTHORIZED", `Turso's platform API, ${what}: ${said}.`, {
      answered: status,
    });
  if (status !== 408 && status !== 429 && status < 500) throw invalid(what, said, status);
  throw unreachable(what, said, {
    answered: status,
    facts: { retryAfter: String(pauseOf(headers.get("retry-after"), deps)) },
  });
}

function unreachable(
  what: string,
  why: string,
  more?: { answered: number; facts: Record<string, string> },
): NightjarError {
  return new NightjarError("PLATFORM_UNREACHABLE", `Turso's platform API, ${what}: ${why}.`, more);
}

/** Return what an attempt threw as an error without the token, and without a cause that could have it. */
function shown(thrown: unknown, what: string, token: string): NightjarError {
  const error =
    thrown instanceof NightjarError
      ? thrown
      : unreachable(what, wordsOf(messageOf(thrown)).replace(/\.$/, ""));
  const { code, answered, facts, message } = error;
  const words = message.replaceAll(token, "[token]").slice(0, LONGEST_MESSAGE);
  return new NightjarError(code, printable(words), { answered, facts });
}

/** The words of an answer, on one line. */
function wordsOf(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

/** Return the pause that `Retry-After` asks for, ms: seconds or a date (RFC 9110, section 10.2.3). */
function pauseOf(header: string | null, deps: Deps): number {
  const wanted = /^\d+$/.test(header ?? "")
    ? Number(header) * 1000
    : Date.parse(header ?? "") - deps.now();
  return Math.min(Math.max(0, wanted || 0), LONGEST_PAUSE);
}

/** Return the pause after a failed try, ms, so that clients that failed together do not return together. */
function pauseAfter(tries: number, deps: Deps): number {
  const share = 0.5 + deps.randomBytes(1)[0]! / 255;
  return Math.round(FIRST_PAUSE * 2 ** (tries - 1) * share);
}
