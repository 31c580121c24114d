import type { Child } from "hono/jsx";

interface TableOf {
  readonly head: readonly string[];
  readonly rows: readonly (readonly Child[])[];
}

/** A table that becomes a list on a phone, where each cell says its column. */
export function Table({ head, rows }: TableOf) {
  return (
    <table class="wide">
      <thead>
        <tr>
          {head.map((name) => (
            <th scope="col">{name}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr>
            {row.map((cell, at) => (
              <td data-of={head[at]}>{cell}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface NameOf {
  readonly name: string;
  readonly required: boolean;
}

/** The name of a parameter or a field. */
export function Name({ name, required }: NameOf) {
  return (
    <>
      <code>{name}</code>
      {!required && <small class="soft"> optional</small>}
    </>
  );
}
