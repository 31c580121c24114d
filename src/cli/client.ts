import * as v from "valibot";
import { hc, type ClientResponse } from "hono/client";
import { messageOf } from "../errors/errors.ts";
import { readJson, readText } from "../core/read-body.ts";
import type { App } from "../http/app.ts";
import { type Connection, findConnection } from "./account/connection.ts";
import { CliError, EXIT } from "./exit.ts";
import { hintFor } from "./own-hints.ts";

/** The longest answer that is taken, which the list of a million backups would not reach; bytes. */
const LONGEST_ANSWER = 256 * 1024 * 1024;
/** A refusal with its hint; bytes. */
const LONGEST_PROBLEM = 1024 * 1024;

/** Make a typed client for the API of a Nightjar. */
export function apiClient({ url, token }: Connection) {
  return hc<App>(url, { headers: { authorization: `Bearer ${token}` } });
}

/**
 * Make a client for the Nightjar that the user is signed in to.
 *
 * @throws CliError `usage`
 */
export function signIn(): Client {
  return apiClient(findConnection(process.env));
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
      hint: "Check its address and your network.",
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
    return new CliError(exit, detail, { hint: hintFor(code, hint), code, approval });
  } catch {
    // Not ours: a proxy's page, or another server altogether.
  }
  return new CliError(exit, `The server answered ${response.status} without Nightjar's words.`, {
    hint: "Check that its address is that of a Nightjar.",
  });
}
