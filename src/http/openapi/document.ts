import type { RouterRoute } from "hono/types";
import { VERSION } from "../../core/version.ts";
import { KEY_FORM, takesKey } from "../access/idempotent.ts";
import { type Need, needOf } from "../access/needs.ts";
import { inputOf } from "../input.ts";
import { BACKUP_ID, RUN_ID } from "../answers/parts.ts";
import { type About, aboutOf, type Answer } from "./about.ts";
import { PROBLEMS } from "./problems.ts";
import { components, type JsonSchema, schemaOf } from "./schemas.ts";

/** Parts of OpenAPI 3.1 that Nightjar's document has. */
export interface Document {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly securitySchemes: object;
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly responses: Readonly<Record<string, Response>>;
  };
}
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly security: readonly object[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, Response | { readonly $ref: string }>>;
}
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly description?: string | undefined;
  readonly schema: JsonSchema;
  readonly example?: unknown;
}
export interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { description: string; schema: JsonSchema }>>;
  readonly content?: Content;
}
export type Content = Readonly<
  Record<string, { readonly schema?: JsonSchema; readonly example?: unknown }>
>;

const DESCRIPTION = `Backups of Turso and libSQL databases, in your own Cloudflare account.

Moments are ISO 8601 in UTC, sizes are bytes. What is long comes in pages: \`next\` of an answer is the \`cursor\` of the request for the page after it, and null on the last one. Errors are \`application/problem+json\` with a stable \`code\` and a \`hint\` that says what to do.`;

/** What the first parameter of a path names, with an example. */
const NAMED: Readonly<Partial<Record<Need["names"], readonly [string, string]>>> = {
  database: ["The database's name.", "shop"],
  backup: ["The backup's id.", BACKUP_ID],
  run: ["The run's id.", RUN_ID],
  link: ["The link's id.", "h2k9s0d4m7qx"],
};

/** A parameter in a path of Hono, with the pattern that it may have. */
const PARAMETER = /:(\w+)(?:\{([^/]*)\})?/g;

/** What the handlers of one route say of it together. */
interface Told {
  readonly method: string;
  readonly path: string;
  readonly about: About;
  readonly need: Need | undefined;
  readonly inputs: readonly NonNullable<ReturnType<typeof inputOf>>[];
}

/** Describe the API as its routes are: what `about` says of them, what they need, and what they take. */
export function documentOf(routes: readonly RouterRoute[], origin: string): Document {
  const told = toldOf(routes);
  const paths: Record<string, Record<string, Operation>> = {};
  for (const one of told) {
    const path = one.path.replaceAll(PARAMETER, "{$1}");
    paths[path] = { ...paths[path], [one.method.toLowerCase()]: operationOf(one) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Nightjar", version: VERSION, description: DESCRIPTION },
    servers: [{ url: origin }],
    tags: [...new Set(told.map(({ path }) => tagOf(path)))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        token: {
          ...{ type: "http", scheme: "bearer" },
          description: "ADMIN_TOKEN, or a token whose scope allows it.",
        },
      },
      schemas: components(),
      responses: responsesOf(PROBLEMS),
    },
  };
}

function toldOf(routes: readonly RouterRoute[]): Told[] {
  const handlers = new Map<string, { route: RouterRoute; all: unknown[] }>();
  for (const route of routes) {
    const key = `${route.method} ${route.path}`;
    const { all } = handlers.get(key) ?? { all: [] };
    handlers.set(key, { route, all: [...all, route.handler] });
  }
  return [...handlers.values()].flatMap(({ route: { method, path }, all }) => {
    const about = all.map(aboutOf).find((one) => one !== undefined);
    if (about === undefined) return [];
    const need = all.map(needOf).find((one) => one !== undefined);
    return [{ method, path, about, need, inputs: all.flatMap((one) => inputOf(one) ?? []) }];
  });
}

function tagOf(path: string): string {
  const [, first = "", second = ""] = path.split("/");
  return first === "v1" ? second : "public";
}

function operationOf(told: Told): Operation {
  const { path, about, need, inputs } = told;
  const body = inputs.find(({ target }) => target === "json");
  return {
    ...{ operationId: about.id, summary: about.summary, description: wordsOf(told) },
    tags: [tagOf(path)],
    security: securityOf(told),
    parameters: parametersOf(told),
    ...(body !== undefined && {
      requestBody: {
        required: !body.mayBeEmpty,
        content: { "application/json": { schema: schemaOf(body.schema), example: body.example } },
      },
    }),
    responses: {
      ...responsesOf(about.answers),
      ...refusalsOf(told, need),
      default: problem("Problem"),
    },
  };
}

function wordsOf({ about, need }: Told): string {
  const whole = need?.names === "all" ? ", not limited to databases" : "";
  return [
    about.more.text,
    need && `Needs the scope \`${need.scope}\`${whole}.`,
    need?.action && `The audit records it as \`${need.action}\`.`,
  ]
    .filter((part) => part !== undefined)
    .join("\n\n");
}

function securityOf({ about, need }: Told): object[] {
  const token = { token: [] };
  if (need !== undefined || about.more.token === "required") return [token];
  return about.more.token === "optional" ? [{}, token] : [];
}

function parametersOf({ method, path, about, need, inputs }: Told): Parameter[] {
  const inPath = [...path.matchAll(PARAMETER)].map(([, name = "", pattern], at): Parameter => {
    const first = at === 0 && need !== undefined ? NAMED[need.names] : undefined;
    const [description, example] = about.more.path?.[name] ?? first ?? [];
    const schema = { type: "string", ...(pattern && { pattern: `^${pattern}$` }) };
    return { name, in: "path", required: true, description, schema, example };
  });
  const query = inputs.find(({ target }) => target === "query");
  const { properties = {}, required = [] } = query === undefined ? {} : schemaOf(query.schema);
  const inQuery = Object.entries(properties).map(([name, { description, ...schema }]) => {
    // What a route reads as text may be a number to those who ask.
    const typed = (value: unknown) => (schema.type === "integer" ? Number(value) : value);
    const usual = schema["default"];
    const example = (query!.example as Record<string, unknown>)[name];
    return {
      ...{ name, in: "query" as const, required: required.includes(name), description },
      schema: usual === undefined ? schema : { ...schema, default: typed(usual) },
      ...(example !== undefined && { example: typed(example) }),
    };
  });
  const byItself = Object.entries(about.more.query ?? {}).map(([name, [description, example]]) => ({
    ...{ name, in: "query" as const, required: false, description, example },
    schema: { type: "string" },
  }));
  return [...inPath, ...inQuery, ...byItself, ...(takesKey(method, need) ? [KEY] : [])];
}

const KEY: Parameter = {
  ...{ name: "Idempotency-Key", in: "header", required: false },
  description:
    "Within a day the same request with the same key is carried out once, and gets the same answer.",
  schema: { type: "string", pattern: KEY_FORM.source },
  example: "deploy-4f2a91c",
};

function responsesOf(answers: Readonly<Record<string, Answer>>): Record<string, Response> {
  return Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [name, responseOf(answer)]),
  );
}

function responseOf({ words, bodies, headers = {} }: Answer): Response {
  const told = Object.entries(headers).map(([name, description]) => [
    name,
    { description, schema: { type: "string" } },
  ]);
  const content = bodies.map(({ type, schema, example }) => [
    type,
    { ...(schema && { schema: schemaOf(schema) }), example },
  ]);
  return {
    description: words,
    ...(told.length > 0 && {
      headers: Object.fromEntries(told) as NonNullable<Response["headers"]>,
    }),
    ...(content.length > 0 && { content: Object.fromEntries(content) as Content }),
  };
}

function problem(name: keyof typeof PROBLEMS): { $ref: string } {
  return { $ref: `#/components/responses/${name}` };
}

/** Tell how a route refuses what every route of its kind does. */
function refusalsOf({ path, about, inputs }: Told, need: Need | undefined) {
  const known = need !== undefined || about.more.token !== undefined;
  const named = path.includes(":");
  return {
    ...((inputs.length > 0 || need?.action !== undefined) && { 400: problem("Invalid") }),
    ...(known && {
      401: problem("Unauthorized"),
      403: problem("Forbidden"),
      429: problem("TooManyAttempts"),
    }),
    ...(named && { 404: problem("NotFound") }),
  };
}
