import type { JsonSchema } from "../../http/openapi/schemas.ts";
import { Name, Table } from "./table.tsx";

interface Row {
  readonly name: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
}

/** The fields of a schema as a table; those of objects inside follow theirs, as `run.attempt`. */
export function SchemaTable({ schema }: { readonly schema: JsonSchema }) {
  const rows = rowsOf(schema, "");
  if (rows.length === 0)
    return (
      <p>
        <Type schema={schema} />
      </p>
    );
  return (
    <Table
      head={["Field", "Value", "Meaning"]}
      rows={rows.map(({ name, schema: field, required }) => [
        <Name name={name} required={required} />,
        <Type schema={field} />,
        meaningOf(field),
      ])}
    />
  );
}

function rowsOf(schema: JsonSchema, prefix: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = prefix + key;
    const row = { name, schema: field, required: schema.required?.includes(key) === true };
    const [inner, dot] = innerOf(field);
    return [row, ...rowsOf(inner, name + dot)];
  });
}

/** The object in a field, and what leads to its fields. */
function innerOf(schema: JsonSchema): [JsonSchema, string] {
  const one = schema.anyOf?.find(({ type, $ref }) => type !== "null" && $ref === undefined);
  if (one !== undefined) return innerOf(one);
  return schema.items === undefined ? [schema, "."] : [schema.items, "[]."];
}

/** What a value may be, in words. */
export function Type({ schema }: { readonly schema: JsonSchema }) {
  const { $ref, anyOf, items, additionalProperties } = schema;
  if ($ref !== undefined) {
    const name = $ref.split("/").at(-1)!;
    return <a href={`#schema-${name}`}>{name}</a>;
  }
  if (anyOf !== undefined && schema.type === undefined)
    return (
      <>
        {anyOf.map((one, at) => (
          <>
            {at > 0 && " or "}
            <Type schema={one} />
          </>
        ))}
      </>
    );
  if (items !== undefined)
    return (
      <>
        list of <Type schema={items} />
      </>
    );
  if (additionalProperties instanceof Object)
    return (
      <>
        object, each a <Type schema={additionalProperties} />
      </>
    );
  return <>{wordsOf(schema)}</>;
}

function wordsOf({ type = "any value", format, ...rest }: JsonSchema): string {
  if (rest.enum !== undefined) return rest.enum.map((one) => JSON.stringify(one)).join(", ");
  if (rest["const"] !== undefined) return JSON.stringify(rest["const"]);
  const { minimum, maximum, minLength, maxLength } = rest as Record<string, number | undefined>;
  const range = rangeOf(minimum, maximum) ?? rangeOf(minLength, maxLength, " characters");
  return [format === "date-time" ? "moment" : type, range]
    .filter((part) => part !== undefined)
    .join(", ");
}

function rangeOf(least?: number, most?: number, unit = ""): string | undefined {
  if (most === undefined) return undefined;
  return least === undefined ? `at most ${most}${unit}` : `${least} to ${most}${unit}`;
}

function meaningOf({ description, default: usual }: JsonSchema): string {
  const otherwise = usual === undefined ? undefined : `Default: ${JSON.stringify(usual)}.`;
  return [description, otherwise].filter((part) => part !== undefined).join(" ");
}
