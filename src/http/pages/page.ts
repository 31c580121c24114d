import type { Context as HonoContext } from "hono";
import { createMiddleware } from "hono/factory";
import { hc } from "hono/client";
import type { ClientResponse } from "hono/client";
import { TRAITS } from "../../errors/codes.ts";
import { type ErrorCode, NightjarError } from "../../errors/errors.ts";
import type { Caller } from "../../model/actor.ts";
import { hasScope } from "../../plan/access.ts";
import { MessagePage } from "../../web/pages/message.tsx";
import { signedIn } from "../access/session.ts";
import { api } from "../api.ts";
import type { HttpEnv } from "../hono-env.ts";

/** A page, as the components of `web/` make it. */
type Page = { toString(): string };

/** A page runs no script, is framed by nobody, and sends its forms to Nightjar only. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  "cache-control": "no-store",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Answer with a page. */
export function show(c: HonoContext<HttpEnv>, page: Page, status = 200): Response {
  return new Response(`<!doctype html>${page.toString()}`, {
    status,
    headers: { ...headersOf(c), "content-type": "text/html; charset=utf-8" },
  });
}

/** The headers of a page, and those that were set before: a cookie. */
export function headersOf(c: HonoContext<HttpEnv>): Record<string, string> {
  return { ...Object.fromEntries(c.res.headers), ...HEADERS };
}

/** Let through who is signed in, as `caller`. @throws NightjarError `UNAUTHORIZED`, `CATALOG_FAILED` */
export const needsSignIn = createMiddleware<HttpEnv>(async (c, next) => {
  const caller = await signedIn(c);
  if (caller === undefined) throw new NightjarError("UNAUTHORIZED", "Sign in first.");
  c.set("caller", caller);
  await next();
});

/** A client of the API, in this very Worker, for who is signed in: a page can do what its reader's token may. */
export function apiOf(c: HonoContext<HttpEnv>) {
  const env = { ...c.env, signedIn: c.get("caller") };
  return hc<typeof api>(new URL(c.req.url).origin, {
    fetch: (input: RequestInfo | URL, init?: RequestInit) =>
      api.fetch(new Request(input, init), env),
  });
}

/** The body of an answer of the API. @throws NightjarError what the API refused it with */
export async function answerOf<R extends ClientResponse<unknown, number, string>>(
  sent: Promise<R>,
): Promise<R extends ClientResponse<infer Body, number, "json"> ? Body : never> {
  const response = await sent;
  if (!response.ok) throw await refusalOf(response);
  return (response.status === 204 ? undefined : await response.json()) as never;
}

/** Read the error that the API answered with. */
export async function refusalOf(response: { json(): Promise<unknown> }): Promise<NightjarError> {
  const { code, detail, hint } = (await response.json()) as Record<string, string>;
  const known = Object.hasOwn(TRAITS, code ?? "") ? (code as ErrorCode) : "INTERNAL";
  return new NightjarError(known, detail ?? "Nightjar gave no reason.", { hint: hint ?? "" });
}

/** What a reader may do, so that a page shows no button that is refused. */
export function rightsOf({ rights }: Caller) {
  return {
    backup: hasScope(rights, "backup"),
    download: hasScope(rights, "download"),
    restore: hasScope(rights, "restore"),
    admin: hasScope(rights, "admin"),
  };
}

/** Show an error to a person. */
export function showError(c: HonoContext<HttpEnv>, error: NightjarError): Response {
  const { status, code, message, hint } = error;
  const caller = c.get("caller") as Caller | undefined;
  const title =
    code === "LINK_INVALID"
      ? "This link does not work"
      : (TITLES[status] ?? "Something went wrong");
  const page = MessagePage({
    ...{ who: caller?.name, title, text: message, hint, code },
    back: ["/", caller === undefined ? "To the start" : "To the databases"],
  });
  return show(c, page, status);
}

const TITLES: Readonly<Record<number, string>> = {
  401: "You are not signed in",
  403: "This is not allowed",
  404: "There is nothing here",
  409: "This cannot be done now",
  429: "Too many attempts",
};

/** True if a person asks, with a browser: a program gets JSON. */
export function isBrowser(request: Request): boolean {
  return (request.headers.get("accept") ?? "").includes("text/html");
}
