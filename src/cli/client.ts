import * as v from "valibot";
import { hc, type ClientResponse } from "hono/client";
import { messageOf } from "../errors/errors.ts";
import { readJson, readText } from "../core/read-body.ts";
import type { App } from "../http/app.ts";
import { sendsTokenInClear } from "../plan/transport.ts";
import { CliError, EXIT } from "./exit.ts";

export interface Connection {
  url: string;
  token: string;
}

/**
 * Read Nightjar's address and token from the environment.
 *
 * @throws CliError `usage` when NIGHTJAR_URL or NIGHTJAR_TOKEN is missing
 */
export function connection(env: Readonly<Record<string, string | undefined>>): Connection {
  const { NIGHTJAR_URL: url, NIGHTJAR_TOKEN: token } = env;
  const missing = [url ? "" : "NIGHTJAR_URL", token ? "" : "NIGHTJAR_TOKEN"].filter(Boolean);
  if (missing.length > 0)
    throw new CliError(EXIT.usage, `${missing.join(" and ")} must be set.`, {
      hint: "NIGHTJAR_URL is your Worker's address, NIGHTJAR_TOKEN its ADMIN_TOKEN.",
    });
  if (!/^https?:\/\//.test(url!) || !URL.canParse(url!))
    throw new CliError(EXIT.usage, "NIGHTJAR_URL must start with https:// or http://.");
  const { username, password } = new URL(url!);
  if (username + password !== "")
    throw new CliError(EXIT.usage, "NIGHTJAR_URL must hold no credentials.", {
      hint: "NIGHTJAR_TOKEN is the only one that Nightjar takes.",
    });
  refuseClearToken("NIGHTJAR_URL", url!, "NIGHTJAR_TOKEN");
  refuseUnsendable("NIGHTJAR_TOKEN", token!);
  return { url: url!.replace(/\/+$/, ""), token: token! };
}

/** @throws CliError `usage` where a token would cross the network without TLS; never quotes it */
export function refuseClearToken(what: string, url: string, token: string): void {
  if (!sendsTokenInClear(url)) return;
  throw new CliError(
    EXIT.usage,
    `${what} is an address without TLS on another machine: everybody on the way could read ${token}.`,
    { hint: "Use https://. http:// is taken for this machine only (localhost, 127.0.0.1, [::1])." },
  );
}

/** @throws CliError `usage` for a token that no HTTP header can hold; never quotes it */
export function refuseUnsendable(name: string, token: string): void {
  if (/^[\x21-\x7e]+$/.test(token)) return;
  throw new CliError(
    EXIT.usage,
    `${name} holds a space, a line break or another character that no token has.`,
    {
      hint: "Copy the token again, without quotes around it.",
    },
  );
}
/** The longest answer that is taken, which the list of a million backups would not reach; bytes. */
const LONGEST_ANSWER = 256 * 1024 * 1024;
/** A refusal with its hint; bytes. */
const LONGEST_PROBLEM = 1024 * 1024;

/** A typed client for Nightjar's API. */
export function apiClient({ url, token }: Connection) {
  return hc<App>(url, { headers: { authorization: `Bearer ${token}` } });
}

export type Client = ReturnType<typeof apiClient>;

type Json<R> = R extends ClientResponse<infer Body, number, "json"> ? Body : never;

/**
 * The body of an answer.
 *
 * @throws CliError `refused` or `unavailable`, with the message and the hint that Nightjar sent
 */
export async function bodyOf<R extends ClientResponse<unknown, number, string>>(
  sent: Promise<R>,
): Promise<Json<R>> {
  const response = await reach(sent);
  if (response.ok)
    return (await reach(readJson(response as unknown as Response, LONGEST_ANSWER))) as Json<R>;
  throw await refusal(response);
}

/** Wait for an answer; no answer becomes an `unavailable` error. */
export async function reach<R>(sent: Promise<R>): Promise<R> {
  try {
    return await sent;
  } catch (error) {
    throw new CliError(EXIT.unavailable, `Nightjar cannot be reached: ${messageOf(error)}`, {
      hint: "Check NIGHTJAR_URL and your network.",
    });
  }
}

/** A problem as Nightjar writes it (http/problem.ts). */
const problemSchema = v.object({
  ...{ detail: v.string(), hint: v.string(), code: v.string() },
  approval: v.optional(v.string()),
});

/** Make the error that the Worker answered with. */
export async function refusal(response: {
  status: number;
  body: ReadableStream<Uint8Array> | null;
}): Promise<CliError> {
  const exit = response.status < 500 ? EXIT.refused : EXIT.unavailable;
  const text = await readText(response, LONGEST_PROBLEM).catch(() => "");
  try {
    const { detail, hint, code, approval } = v.parse(problemSchema, JSON.parse(text));
    return new CliError(exit, detail, { hint, code, approval });
  } catch {
    // Not ours: a proxy's page, or another server altogether.
  }
  return new CliError(exit, `The server answered ${response.status} without Nightjar's words.`, {
    hint: "Check that NIGHTJAR_URL is the address of a Nightjar.",
  });
}
