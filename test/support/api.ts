import { expect } from "vitest";
import type { Context } from "../../src/worker/context.ts";
import { app } from "../../src/http/app.ts";

export const ORIGIN = "https://nightjar.example";

/** Create a client of the API with the admin's token, over one context. */
export function apiOf(context: Context) {
  const call = (path: string, body?: object, method = body === undefined ? "GET" : "POST") =>
    app.fetch(
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
