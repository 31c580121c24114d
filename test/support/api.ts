import { expect } from "vitest";
import type { Context } from "../../src/worker/context.ts";
import { app } from "../../src/http/app.ts";
import { documentOf } from "../../src/http/openapi/document.ts";
import { agreementOf } from "./agreement.ts";

export const ORIGIN = "https://nightjar.example";

/** What the API says of itself. */
export const agreement = agreementOf(documentOf(app.routes, ORIGIN));

/** Ask the app, and expect an answer that its own document has. */
export async function askApp(request: Request, context: Context): Promise<Response> {
  const { method, url } = request;
  const answer = await app.fetch(request, context);
  const { status, headers } = answer;
  await agreement.expectAnswer(method, url, {
    ...{ status, type: answer.body === null ? null : headers.get("content-type") },
    json: () => answer.clone().json(),
  });
  return answer;
}

/** Ask the app where the catalog holds what no Nightjar has written: such an answer is not compared. */
export async function askUncompared(request: Request, context: Context): Promise<Response> {
  return app.fetch(request, context);
}

/**
 * Create a client of the API with the admin's token, over one context.
 *
 * @param ask `askApp` or `askUncompared`
 */
export function apiOf(context: Context, ask: typeof askApp = askApp) {
  const call = (path: string, body?: object, method = body === undefined ? "GET" : "POST") =>
    ask(
      new Request(path.startsWith("/") ? ORIGIN + path : path, {
        method,
        headers: {
          authorization: "Bearer test-admin-token-of-24-characters",
          "content-type": "application/json",
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
      context,
    );
  return {
    call,
    async json(path: string, body?: object, status = body === undefined ? 200 : 201) {
      const answer = await call(path, body);
      const value = (await answer.json()) as Record<string, any>;
      expect(answer.status, JSON.stringify(value)).toBe(status);
      return value;
    },
    async bytes(url: string): Promise<Uint8Array> {
      const answer = await call(url);
      expect(answer.status).toBe(200);
      return new Uint8Array(await answer.arrayBuffer());
    },
  };
}
