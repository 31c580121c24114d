import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { PLATFORM_API } from "../../config/fields.ts";
import { messageOf } from "../../errors/errors.ts";
import { refuseClearToken } from "../account/connection.ts";
import { readJson, readText } from "../../core/read-body.ts";
import { CliError, EXIT } from "../exit.ts";

/** Tries of a request, and the first pause, ms; each pause is twice the one before. */
const TRIES = 5;
const FIRST_PAUSE = 500;

/** Longer answers than this are not Turso's; bytes. */
const LONGEST_ANSWER = 1024 * 1024;

/** The place of a new database. */
export interface NewDatabase {
  readonly name: string;
  readonly org: string;
  readonly group: string;
  readonly location: string | undefined;
  /** The platform token. It goes to Turso only. */
  readonly token: string;
}

/** A database that was made to be uploaded to, and the token that lets it. */
export interface MadeDatabase {
  /** Its address, without a trailing slash. */
  readonly url: string;
  readonly token: string;
}

/** The address of the platform API, without a trailing slash: Turso's, or that of the variable which Turso's own CLI reads. */
export function apiBase(env: Readonly<Record<string, string | undefined>>): string {
  const base = env["TURSO_API_BASEURL"] ?? PLATFORM_API;
  if (!URL.canParse(base) || !/^https?:/.test(base))
    throw new CliError(EXIT.usage, "TURSO_API_BASEURL must start with https:// or http://.");
  refuseClearToken("TURSO_API_BASEURL", base, "the platform token");
  return base.replace(/\/+$/, "");
}

const madeSchema = v.object({ database: v.object({ Hostname: v.string() }) });
const mintedSchema = v.object({ jwt: v.string() });

/** Make a database that waits for its file. @throws CliError `refused` or `failed`; it may be there then */
export async function createForUpload(base: string, wanted: NewDatabase): Promise<{ url: string }> {
  const { name, org, group, location, token } = wanted;
  const body = {
    name,
    group,
    ...(location === undefined ? {} : { location }),
    seed: { type: "database_upload" },
  };
  const response = await call(`${base}/v1/organizations/${encodeURIComponent(org)}/databases`, {
    what: `creating ${name}`,
    method: "POST",
    token,
    json: body,
    // One that was made although the answer was lost would be refused the second time.
    again: [429],
  });
  const { database } = await shapeOf(response, madeSchema, "creating the database");
  const url = `${new URL(base).protocol}//${database.Hostname}`;
  refuseClearToken(`The new database ${name}`, url, "its token");
  return { url };
}

/** A token for one hour that may write to the database. @throws CliError */
export async function mintToken(base: string, { name, org, token }: NewDatabase): Promise<string> {
  const path = `/v1/organizations/${encodeURIComponent(org)}/databases/${encodeURIComponent(name)}/auth/tokens`;
  const response = await call(`${base}${path}?expiration=1h&authorization=full-access`, {
    what: `making a token for ${name}`,
    method: "POST",
    token,
  });
  return (await shapeOf(response, mintedSchema, "making a token")).jwt;
}

interface Call {
  /** For messages: `uploading chunk 3`. */
  readonly what: string;
  readonly method: "POST" | "PUT";
  readonly token: string;
  readonly json?: object;
  readonly bytes?: Uint8Array<ArrayBuffer>;
  /** Statuses after which it is tried again; by default 408, 429 and 5xx, and a broken connection. */
  readonly again?: readonly number[];
}

/** One request, tried again where that can help. @throws CliError `refused` (4xx) or `failed` */
export async function call(url: string, request: Call): Promise<Response> {
  const { what, method, token, json, bytes, again } = request;
  const mayAgain = (status: number) =>
    again?.includes(status) ?? (status === 408 || status === 429 || status >= 500);
  for (let tries = 1; ; tries++) {
    const answer = await fetch(url, {
      method,
      redirect: "manual",
      headers: {
        authorization: `Bearer ${token}`,
        ...(json === undefined ? {} : { "content-type": "application/json" }),
        ...(bytes === undefined ? {} : { "content-type": "application/octet-stream" }),
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      ...(bytes === undefined ? {} : { body: bytes }),
    }).catch((error: unknown) => messageOf(error));
    const broken = typeof answer === "string";
    if (!broken && answer.ok) return answer;
    const status = broken ? 0 : answer.status;
    if (tries < TRIES && (broken ? again === undefined : mayAgain(status))) {
      if (!broken) await answer.body?.cancel();
      await sleep(FIRST_PAUSE * 2 ** (tries - 1));
      continue;
    }
    const said = (broken ? answer : await readText(answer).catch(() => "")).replaceAll(
      token,
      "[token]",
    );
    const words = said.replaceAll(/\s+/g, " ").trim().slice(0, 200);
    const refused = status >= 400 && status < 500;
    throw new CliError(
      refused ? EXIT.refused : EXIT.failed,
      `Turso, ${what}: ${broken ? "no answer" : status}${words === "" ? "" : `: ${words}`}`,
      { hint: HINTS[status] ?? "See Turso's status, and run the command again." },
    );
  }
}

const HINTS: Record<number, string> = {
  401: "The token is not valid: make one with `turso auth api-tokens mint`.",
  403: "The token may not do this in this organization.",
  404: "Check --org and --group.",
  409: "There is a database of this name: choose another, or remove it with `turso db destroy`.",
};

/** @throws CliError `failed` when the answer has another shape */
export async function shapeOf<S extends v.GenericSchema>(
  response: Response,
  schema: S,
  what: string,
): Promise<v.InferOutput<S>> {
  const value = await readJson(response, LONGEST_ANSWER).catch(() => undefined);
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  throw new CliError(EXIT.failed, `Turso, ${what}: an answer that Nightjar does not know.`, {
    hint: "The service may have changed: restore to a file, and use `turso db create --from-file`.",
  });
}
