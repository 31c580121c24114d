import { expect, inject, it } from "vitest";
import { describeSource } from "../../../src/source/describe.ts";
import { testContext } from "../../support/context.ts";

it("asks a server with a path in its url for nothing outside of that path", async () => {
  const url = "http://proxy.example/turso/shop";
  const asked: string[] = [];
  const { deps } = testContext({});
  const proxied: typeof fetch = (input, init) => {
    asked.push(String(input));
    return fetch(String(input).replace(url, inject("small")), init);
  };
  const source = { url, token: "a-token", namespace: undefined, stallMs: 30_000 };
  const described = await describeSource(source, { ...deps, fetch: proxied });
  expect(described).toMatchObject({ userVersion: 7, unknown: [] });
  expect(asked.length).toBeGreaterThan(1);
  expect(asked.filter((address) => !address.startsWith(`${url}/`))).toEqual([]);
});
