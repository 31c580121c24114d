import { type JsonSchema as Json, toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { approvalAnswer, auditRow } from "../answers/access.ts";
import { backupAnswer, backupSummaryAnswer, manifestAnswer } from "../answers/backup.ts";
import { databaseAnswer } from "../answers/database.ts";
import { erasureAnswer } from "../answers/erasure.ts";
import { errorReport } from "../answers/parts.ts";
import { problemAnswer } from "../answers/problem.ts";
import { proofAnswer } from "../answers/proof.ts";
import { runAnswer } from "../answers/run.ts";

/** Parts of JSON Schema 2020-12 that are read here and by the page. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly additionalProperties?: JsonSchema | boolean;
}

/** The schemas that have a name of their own in the document. */
const NAMED: Readonly<Record<string, v.GenericSchema>> = {
  Approval: approvalAnswer,
  AuditRow: auditRow,
  Backup: backupAnswer,
  BackupSummary: backupSummaryAnswer,
  Database: databaseAnswer,
  Erasure: erasureAnswer,
  Error: errorReport,
  Manifest: manifestAnswer,
  Problem: problemAnswer,
  Proof: proofAnswer,
  Run: runAnswer,
};
const NAMES = new Map(Object.entries(NAMED).map(([name, schema]) => [schema, name]));

/** Return the schemas that have a name. */
export function components(): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(NAMED).map(([name, schema]) => [name, convert(schema, schema)]),
  );
}

/**
 * Return a schema as JSON Schema: what is valid before it is transformed. Named schemas are references. A
 * check that JSON Schema cannot see has its keywords beside it, as `v.metadata`.
 *
 * @throws Error for what has no form in JSON Schema
 */
export function schemaOf(schema: v.GenericSchema): JsonSchema {
  return convert(schema);
}

function convert(schema: v.GenericSchema, root?: v.GenericSchema): JsonSchema {
  const {
    $schema: _,
    $defs: _lazy,
    ...json
  } = toJsonSchema(schema, {
    target: "draft-2020-12",
    typeMode: "input",
    ignoreActions: ["check"],
    overrideSchema({ valibotSchema, jsonSchema }) {
      // What these take is said by the metadata after them.
      if (valibotSchema.type === "custom" || valibotSchema.type === "lazy") return {};
      if (valibotSchema.type === "loose_object")
        return { ...jsonSchema, additionalProperties: true };
      const name = valibotSchema === root ? undefined : NAMES.get(valibotSchema);
      return name === undefined ? undefined : { $ref: `#/components/schemas/${name}` };
    },
    overrideAction: ({ valibotAction, jsonSchema }) =>
      override(valibotAction as Action, jsonSchema as object as JsonSchema) as Json | undefined,
  });
  return json as object as JsonSchema;
}

/** An action of a pipe, as far as it is read here. */
interface Action {
  readonly type: string;
  readonly requirement?: { readonly source: string };
  /** `choices`: the schemas one of which `v.lazy` chooses by the value. */
  readonly metadata?: { readonly choices?: readonly v.GenericSchema[] };
}

/** Return the form of an action that the library has none for; undefined for all others. */
function override(action: Action, json: JsonSchema): JsonSchema | undefined {
  // JSON Schema reads every pattern as Unicode.
  if (action.type === "regex" || action.type === "ip")
    return { ...json, pattern: action.requirement!.source };
  const choices = action.metadata?.choices;
  return choices && { anyOf: choices.map((choice) => convert(choice)) };
}
