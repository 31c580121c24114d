import { createMiddleware } from "hono/factory";
import type * as v from "valibot";
import type { HttpEnv } from "../hono-env.ts";

/** A body that a route answers with. */
export interface Body {
  readonly type: string;
  /** Undefined for what is no JSON. */
  readonly schema?: v.GenericSchema;
  readonly example: unknown;
}

/** An answer of a route: in words, and its bodies, one for each media type; none for 204. */
export interface Answer {
  readonly words: string;
  readonly bodies: readonly Body[];
  /** Headers that it may have, with what they tell. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a route is, for the document of the API. */
export interface About {
  /** The operation's name in clients that are generated. */
  readonly id: string;
  /** One line. */
  readonly summary: string;
  readonly answers: Readonly<Record<number, Answer>>;
  readonly more: More;
}

/** Parameters by their names, each with its meaning and an example. */
type Named = Readonly<Record<string, readonly [meaning: string, example: string]>>;

interface More {
  /** What the summary leaves out, in Markdown. */
  readonly text?: string;
  /** What the parameters of the path mean that `needs` does not tell, with an example. */
  readonly path?: Named;
  /** What its handler takes from the query by itself, without `input`. */
  readonly query?: Named;
  /** Whether it takes a token, where `needs` does not tell. */
  readonly token?: "required" | "optional";
}

const ABOUT = Symbol("about");

/** Describe a route, for the document of the API. It does nothing to a request. */
export function about(id: string, summary: string, answers: About["answers"], more: More = {}) {
  const middleware = createMiddleware<HttpEnv>((_c, next) => next());
  return Object.assign(middleware, { [ABOUT]: { id, summary, answers, more } satisfies About });
}

/** Find what a handler describes, if it is one that `about` has made. */
export function aboutOf(handler: unknown): About | undefined {
  return (handler as { [ABOUT]?: About })[ABOUT];
}

/** An answer in JSON, with an example of it. */
export function json<S extends v.GenericSchema>(
  schema: S,
  example: v.InferInput<S>,
  words = "It was done.",
): Answer {
  return { words, bodies: [{ type: "application/json", schema, example }] };
}

/** An answer of other media types, with an example of each. */
export function media(
  words: string,
  examples: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    words,
    bodies: Object.entries(examples).map(([type, example]) => ({ type, example })),
    headers,
  };
}

/** An answer without a body. */
export function empty(words: string): Answer {
  return { words, bodies: [] };
}
