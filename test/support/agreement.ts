import { type Schema, Validator } from "@cfworker/json-schema";
import { expect } from "vitest";
import type { Document, Operation, Response as Told } from "../../src/http/openapi/document.ts";
import type { JsonSchema } from "../../src/http/openapi/schemas.ts";

/** An answer, as far as it is compared. */
interface Answered {
  readonly status: number;
  readonly type: string | null;
  /** Read only if the document has a schema of it. */
  json(): Promise<unknown>;
}

/** Compares requests and answers with the document of the API. */
export interface Agreement {
  readonly document: Document;
  /** Find what a request asks for; undefined for what is not in the document. */
  operationOf(method: string, path: string): Operation | undefined;
  /** What is wrong with a value, by a schema of the document; undefined for nothing. */
  mistakeIn(value: unknown, schema: JsonSchema): string | undefined;
  /** Expect an answer that the document has, and no field that it does not have. */
  expectAnswer(method: string, url: string, answer: Answered): Promise<void>;
}

/** Fields that the document does not know are mistakes here, though a client must pass them over. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== "object" || schema === null) return schema;
  const copy = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, key === "example" ? value : strict(value)]),
  );
  const { properties, additionalProperties } = copy;
  if (properties === undefined || additionalProperties !== undefined) return copy;
  return { ...copy, additionalProperties: false };
}

export function agreementOf(document: Document): Agreement {
  const paths = Object.entries(document.paths).map(([path, operations]) => ({
    // `latest` and `channels` come before names.
    form: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`),
    names: path.split("{").length,
    operations,
  }));
  paths.sort((a, b) => a.names - b.names);
  const { schemas } = strict(document.components) as Document["components"];
  const validatorOf = (schema: JsonSchema) => {
    const whole = { ...(strict(schema) as object), components: { schemas } };
    return new Validator(whole as Schema, "2020-12", false);
  };
  const validators = new Map<JsonSchema, Validator>();

  const agreement: Agreement = {
    document,
    operationOf(method, path) {
      const wanted = method === "HEAD" ? "get" : method.toLowerCase();
      return paths.find(({ form, operations }) => form.test(path) && operations[wanted])
        ?.operations[wanted];
    },
    mistakeIn(value, schema) {
      const validator = validators.get(schema) ?? validatorOf(schema);
      validators.set(schema, validator);
      const { valid, errors } = validator.validate(value);
      return valid
        ? undefined
        : errors.map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`).join("\n");
    },
    async expectAnswer(method, url, { status, type, json }) {
      const { pathname } = new URL(url);
      const operation = agreement.operationOf(method, pathname);
      if (operation === undefined) return;
      const what = `${method} ${pathname} answers ${status}`;
      const told = toldOf(document, operation, status);
      expect(told, what).toBeDefined();
      if (type === null || method === "HEAD") return;
      const [bare] = type.split(";");
      const body = told!.content?.[type] ?? told!.content?.[bare!];
      expect(body, `${what} with ${type}`).toBeDefined();
      if (body!.schema === undefined) return;
      const value: unknown = await json();
      expect(agreement.mistakeIn(value, body!.schema), `${what}: ${JSON.stringify(value)}`).toBe(
        undefined,
      );
    },
  };
  return agreement;
}

/** Find what the document says of an answer. */
function toldOf(
  { components }: Document,
  { responses }: Operation,
  status: number,
): Told | undefined {
  const found = responses[String(status)] ?? (status >= 400 ? responses["default"] : undefined);
  if (found === undefined || !("$ref" in found)) return found;
  return components.responses[found.$ref.split("/").at(-1)!];
}
