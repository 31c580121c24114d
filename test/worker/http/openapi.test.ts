import guide from "../../../docs/api.md?raw";
import fc from "fast-check";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { app } from "../../../src/http/app.ts";
import type { Operation, Parameter } from "../../../src/http/openapi/document.ts";
import type { JsonSchema } from "../../../src/http/openapi/schemas.ts";
import { pages } from "../../../src/http/pages/pages.ts";
import type { Context } from "../../../src/worker/context.ts";
import { agreement, askApp, ORIGIN } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";

const { document } = agreement;
const OPERATIONS = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

let context: Context;
/** Things that a path can name, by parameter; a name that does not exist among them. */
let names: Readonly<Record<string, readonly string[]>>;

beforeAll(async () => {
  context = testContext({ described: { url: inject("small"), capture: "dump", badge: "public" } });
  const run = await backUp(context, manualRun("described"));
  const backup = (await newestBackup(context.catalog, "described"))!.id;
  names = {
    db: ["described", "nowhere"],
    id: [backup, run.id, "0".repeat(12)],
    backup: [backup, "latest", "latest-verified", "latest-drilled", "x"],
    file: ["described.svg", "described.json", "nowhere.svg"],
  };
});

describe("the document of the API", () => {
  it("has every route but the pages', and no other", () => {
    const isPage = new Set(pages.routes.map(({ method, path }) => `${method} ${path}`));
    isPage.add("GET /docs");
    const served = app.routes
      .filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path}`)
      .filter((route) => !isPage.has(route))
      .map((route) => route.replaceAll(/:(\w+)(\{[^/]*\})?/g, "{$1}"));
    const told = OPERATIONS.map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    expect(new Set(told)).toEqual(new Set(served));
    expect(told.length).toBeGreaterThan(50);
  });

  it("names each operation once, with its scope", () => {
    const ids = OPERATIONS.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of OPERATIONS)
      if (path.startsWith("/v1/"))
        expect(operation.description, path).toMatch(/Needs the scope `\w+`/);
  });

  it("has an example of every body and parameter, which its schema allows", () => {
    for (const { path, method, operation } of OPERATIONS) {
      const where = `${method} ${path}`;
      const { parameters, requestBody, responses } = operation;
      for (const { name, in: place, schema, example } of parameters) {
        if (place === "path") expect(example, `${where} ${name}`).toBeDefined();
        if (example !== undefined)
          expect(agreement.mistakeIn(example, schema), `${where} ${name}`).toBeUndefined();
      }
      const answers = Object.values(responses).map((response) =>
        "$ref" in response ? {} : (response.content ?? {}),
      );
      for (const content of [requestBody?.content ?? {}, ...answers])
        for (const [type, { schema, example }] of Object.entries(content)) {
          expect(example, `${where} ${type}`).toBeDefined();
          if (schema !== undefined)
            expect(agreement.mistakeIn(example, schema), `${where} ${type}`).toBeUndefined();
        }
    }
    for (const { content } of Object.values(document.components.responses))
      for (const { schema, example } of Object.values(content!))
        expect(agreement.mistakeIn(example, schema!)).toBeUndefined();
  });

  it("is what docs/api.md says of each route", () => {
    const rows = [...guide.matchAll(/^\| `([A-Z]+ \/\S*)` +\| (.+?) +\|$/gm)];
    expect(rows.map(([, route, what]) => `${route}: ${what}`)).toEqual(
      OPERATIONS.map(
        ({ path, method, operation }) => `${method.toUpperCase()} ${path}: ${operation.summary}`,
      ),
    );
  });

  it("is served to every origin, and so is the page", async () => {
    const served = await askApp(new Request(`${ORIGIN}/openapi.json`), context);
    expect(served.headers.get("access-control-allow-origin")).toBe("*");
    expect(await served.json()).toEqual(JSON.parse(JSON.stringify(document)));
    const page = await app.fetch(new Request(`${ORIGIN}/docs`), context);
    const html = await page.text();
    for (const { path, operation } of OPERATIONS) {
      expect(html).toContain(`id="${operation.operationId}"`);
      expect(html).toContain(path);
    }
    for (const [, name] of html.matchAll(/href="#([\w-]+)"/g))
      expect(html).toContain(`id="${name}"`);
    expect(html).not.toMatch(/<script|undefined|\[object/);
  });
});

/** Values by the names of fields whose meaning a schema does not know: valid, or not. */
const MEANT: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  at: moments(),
  since: moments(),
  until: moments(),
  expiresIn: fc.constantFrom("1s", "90s", "1h", "7d", "8", "0d", "-1h", "1 h", "d", "1H", 7, null),
  // Not true: nothing ends a run here. Another test waits for one.
  wait: fc.constantFrom(false, "yes", 1),
  url: fc.constantFrom("http://127.0.0.1:9", "libsql://127.0.0.1:9", "ftp://x", "x", "", 7),
  // Sent to a server without TLS; that it is refused elsewhere depends on the address.
  token: fc.constantFrom("t0ken", "", 7),
  // Both at once are no request.
  dataOnly: fc.constantFrom(false, "no", 0),
  address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("1.2.3", "::g", "localhost", 7)),
  key: fc.oneof(fc.string(), fc.integer(), fc.double(), fc.constant(null), fc.boolean()),
};

function moments(): fc.Arbitrary<unknown> {
  const day = fc.date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true });
  return fc.oneof(
    day.map((date) => date.toISOString()),
    day.map((date) => date.toISOString().replace(/:\d\d\.\d+Z/, "+05:30")),
    fc.constantFrom("2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z", "now", "", 7),
    fc.constantFrom("2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01T23:59:60Z"),
  );
}

/** Values that a schema may allow: mostly, and near its limits. */
function valuesOf(schema: JsonSchema, name = ""): fc.Arbitrary<unknown> {
  const meant = MEANT[name];
  if (meant !== undefined) return meant;
  const odd = fc.constantFrom<unknown>(null, "", "x", 0, -1, 1.5, true, [], {}, "2", 2 ** 53);
  const { anyOf, items, properties, type } = schema;
  const usual = (): fc.Arbitrary<unknown> => {
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
    if (schema["const"] !== undefined) return fc.constant(schema["const"]);
    if (anyOf !== undefined) return fc.oneof(...anyOf.map((one) => valuesOf(one)));
    if (properties !== undefined) return objectsOf(schema);
    if (items !== undefined) return fc.array(valuesOf(items), { maxLength: 3 });
    if (type === "object")
      return fc.dictionary(textsUpTo(52), textsUpTo(202), { maxKeys: 22, size: "medium" });
    if (type === "boolean") return fc.boolean();
    if (type === "integer") {
      const { minimum = -5, maximum = 5 } = schema as Record<string, number | undefined>;
      const max = Math.min(maximum + 1, 2 ** 53 - 1);
      const limits = fc.constantFrom(minimum - 1, minimum, max - 1, max);
      return fc.oneof(fc.integer({ min: minimum - 1, max }), limits);
    }
    const pattern = schema["pattern"] as string | undefined;
    if (pattern !== undefined && !pattern.includes("\\P"))
      return fc.oneof(fc.stringMatching(new RegExp(pattern)), textsUpTo(20));
    return textsUpTo(((schema["maxLength"] as number | undefined) ?? 20) + 2);
  };
  return fc.oneof({ weight: 9, arbitrary: usual() }, { weight: 1, arbitrary: odd });
}

function textsUpTo(most: number): fc.Arbitrary<string> {
  return fc.oneof(
    fc.string({ minLength: 0, maxLength: Math.min(most, 30) }),
    fc.string({ unit: "grapheme", maxLength: 20 }),
    fc.constantFrom("", "é".repeat(most), "🌱".repeat(most - 2), "a".repeat(most - 1), "a\nb"),
  );
}

/** Objects with the fields of a schema: with the required ones mostly, and with an unknown one seldom. */
function objectsOf({
  properties = {},
  required = [],
}: JsonSchema): fc.Arbitrary<Record<string, unknown>> {
  const known = fc.record(
    Object.fromEntries(
      Object.entries(properties).map(([name, field]) => [name, valuesOf(field, name)]),
    ),
    { requiredKeys: [...required] },
  );
  const unknown = fc.constantFrom<object>({}, {}, {}, {}, {}, {}, {}, { surplus: 1 });
  const without = fc.constantFrom(...Array.from({ length: 9 }, () => ""), ...required);
  return fc
    .tuple(known, unknown, without)
    .map(([fields, more, gone]) =>
      Object.fromEntries(Object.entries({ ...fields, ...more }).filter(([key]) => key !== gone)),
    );
}

interface Asked extends fc.WithToStringMethod {
  readonly method: string;
  readonly operation: Operation;
  readonly path: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/** Requests for one operation. */
function requestsFor({ path, method, operation }: (typeof OPERATIONS)[number]) {
  const { parameters, requestBody } = operation;
  const inPlace = (place: Parameter["in"]) => parameters.filter((one) => one.in === place);
  const inPath = fc.record(
    Object.fromEntries(
      inPlace("path").map(({ name }) => [name, fc.constantFrom(...(names[name] ?? ["x", "0"]))]),
    ),
  );
  const asked = inPlace("query").map(({ name, schema }) => [name, schema] as const);
  const inQuery =
    asked.length === 0 ? fc.constant({}) : objectsOf({ properties: Object.fromEntries(asked) });
  const body = requestBody?.content["application/json"]?.schema;
  return fc
    .record({ inPath, query: inQuery, body: body ? valuesOf(body) : fc.constant(undefined) })
    .map(({ inPath: given, query, body: sent }): Asked => {
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => given[name]!);
      return {
        ...{ method: method.toUpperCase(), operation, path: filled, query, body: sent },
        [fc.toStringMethod]: () => JSON.stringify([method, filled, query, sent]),
      };
    });
}

/** What is wrong with a request, as the document has it. */
function mistakesIn({ operation, query, body }: Asked): string[] {
  const wrong: (string | undefined)[] = [];
  const known = operation.parameters.filter(({ in: place }) => place === "query");
  // An address has text only: what looks like a number is one.
  for (const [name, value] of Object.entries(query)) {
    const parameter = known.find((one) => one.name === name);
    if (parameter === undefined) wrong.push(`${name} is unknown`);
    else wrong.push(agreement.mistakeIn(typed(asText(value), parameter.schema), parameter.schema));
  }
  const schema = operation.requestBody?.content["application/json"]?.schema;
  if (schema !== undefined) wrong.push(agreement.mistakeIn(body, schema));
  return wrong.filter((one) => one !== undefined);
}

const asText = (value: unknown) => (typeof value === "object" ? "" : String(value));

function typed(text: string, { type }: JsonSchema): unknown {
  return type === "integer" && /^(0|-?[1-9]\d*)$/.test(text) ? Number(text) : text;
}

function send({ method, path, query, body }: Asked): Promise<Response> {
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [name, asText(value)]),
  );
  const request = new Request(`${ORIGIN}${path}?${search.toString()}`, {
    method,
    headers: {
      authorization: "Bearer test-admin-token-of-24-characters",
      "content-type": "application/json",
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return askApp(request, context);
}

/** Routes that ignore what they do not know in a query: monitors may add to it. */
const PASSES_OVER = /^\/(health|healthz|metrics|openapi\.json|d)(\/|$)/;

describe("1,000 generated requests", () => {
  it("are refused as invalid exactly if the document does not allow them, and answered as it says", async () => {
    const kinds: Record<string, number> = {};
    const any = fc.constantFrom(...OPERATIONS).chain(requestsFor);
    await fc.assert(
      fc.asyncProperty(any, async (asked) => {
        const mistakes = mistakesIn(asked);
        const answer = await send(asked); // which compares the answer
        const text = answer.status === 400 ? await answer.text() : "";
        if (answer.status !== 400) await answer.body?.cancel();
        const refused = text.includes('"code":"REQUEST_INVALID"');
        // What is not there is told before the request is read.
        const isRead = answer.status !== 404 && !PASSES_OVER.test(asked.path);
        if (isRead) expect(refused, `${mistakes.join("\n")}\n${text}`).toBe(mistakes.length > 0);
        const kind = refused ? "refused" : answer.ok ? "done" : "failed";
        kinds[kind] = (kinds[kind] ?? 0) + 1;
      }),
      { numRuns: 1000 },
    );
    // Neither side may be proven by the other's silence.
    for (const kind of ["refused", "done", "failed"]) expect(kinds[kind]).toBeGreaterThan(100);
  });
});
