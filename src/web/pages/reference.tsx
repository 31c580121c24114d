import type {
  Content,
  Document,
  Operation,
  Parameter,
  Response,
} from "../../http/openapi/document.ts";
import { Layout } from "../layout.tsx";
import { SchemaTable, Type } from "../parts/schema.tsx";
import { Name, Table } from "../parts/table.tsx";
import { Coded } from "../parts/words.tsx";

/** The API for people: every route, what it takes and what it answers, with examples. */
export function ReferencePage({ document }: { readonly document: Document }) {
  const { info, servers, tags, components } = document;
  const [server] = servers;
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  return (
    <Layout title="API" who={undefined}>
      <h1>API of Nightjar {info.version}</h1>
      <Paragraphs text={info.description} />
      <p>
        Every route of <code>/v1</code> takes <code>Authorization: Bearer &lt;token&gt;</code>. The
        same as <a href="/openapi.json">OpenAPI 3.1</a>.
      </p>
      {tags.map(({ name }) => (
        <section>
          <h2 id={name}>{name}</h2>
          {all
            .filter(({ operation }) => operation.tags.includes(name))
            .map(({ path, method, operation }) => (
              <Route path={path} method={method} operation={operation} origin={server!.url} />
            ))}
        </section>
      ))}
      <h2>Refusals and failures</h2>
      {Object.entries(components.responses).map(([name, { description, content = {} }]) => (
        <details id={`problem-${name}`}>
          <summary>
            {codeOf(content)} {description}
          </summary>
          <Bodies content={content} withExample />
        </details>
      ))}
      <h2>Values</h2>
      {Object.entries(components.schemas).map(([name, schema]) => (
        <details id={`schema-${name}`}>
          <summary>{name}</summary>
          <SchemaTable schema={schema} />
        </details>
      ))}
    </Layout>
  );
}

/** The status and the code of a problem's example. */
function codeOf(content: Content): string {
  const [{ example } = {}] = Object.values(content);
  const { status, code } = example as { status: number; code: string };
  return `${status} ${code}:`;
}

interface RouteOf {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
  readonly origin: string;
}

function Route({ path, method, operation, origin }: RouteOf) {
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  return (
    <details id={operationId}>
      <summary>
        <code>
          <strong>{method.toUpperCase()}</strong> {path}
        </code>{" "}
        {summary}
      </summary>
      <Paragraphs text={description} />
      <pre>{curlOf(path, method, operation, origin)}</pre>
      {parameters.length > 0 && (
        <>
          <h3>Parameters</h3>
          <Parameters parameters={parameters} />
        </>
      )}
      {requestBody !== undefined && (
        <>
          <h3>Body</h3>
          <Bodies content={requestBody.content} withExample={false} />
        </>
      )}
      {Object.entries(responses).map(([status, response]) =>
        "$ref" in response ? undefined : <Answer status={status} response={response} />,
      )}
    </details>
  );
}

function Answer({ status, response }: { readonly status: string; readonly response: Response }) {
  return (
    <>
      <h3>{status}</h3>
      <Paragraphs text={response.description} />
      {Object.entries(response.headers ?? {}).map(([name, header]) => (
        <p>
          <code>{name}</code>: {header.description}
        </p>
      ))}
      <Bodies content={response.content ?? {}} withExample />
    </>
  );
}

function Parameters({ parameters }: { readonly parameters: readonly Parameter[] }) {
  return (
    <Table
      head={["Name", "In", "Value", "Meaning"]}
      rows={parameters.map(({ name, in: place, required, schema, description }) => [
        <Name name={name} required={required} />,
        place,
        <Type schema={schema} />,
        description,
      ])}
    />
  );
}

interface BodiesOf {
  readonly content: Content;
  readonly withExample: boolean;
}

function Bodies({ content, withExample }: BodiesOf) {
  return (
    <>
      {Object.entries(content).map(([type, { schema, example }]) => (
        <>
          <p class="soft">{type}</p>
          {schema !== undefined && <SchemaTable schema={schema} />}
          {withExample && example !== "…" && (
            <pre>{typeof example === "string" ? example : JSON.stringify(example, null, 2)}</pre>
          )}
        </>
      ))}
    </>
  );
}

function Paragraphs({ text }: { readonly text: string }) {
  return (
    <>
      {text
        .split("\n\n")
        .filter((part) => part !== "")
        .map((part) => (
          <p>
            <Coded text={part} />
          </p>
        ))}
    </>
  );
}

/** The command that asks for the example. */
function curlOf(path: string, method: string, operation: Operation, origin: string): string {
  const { parameters, requestBody, security } = operation;
  const given = (place: Parameter["in"]) =>
    parameters.filter((one) => one.in === place && one.example !== undefined);
  const filled = given("path").reduce(
    (all, { name, example }) => all.replace(`{${name}}`, String(example)),
    path,
  );
  const query = given("query").map(({ name, example }) => `${name}=${String(example)}`);
  const address = `${origin}${filled}${query.length > 0 ? `?${query.join("&")}` : ""}`;
  const body = requestBody?.content["application/json"]?.example;
  return [
    method === "get" ? "curl" : `curl -X ${method.toUpperCase()}`,
    ...(security.length > 0 ? ['-H "Authorization: Bearer $NIGHTJAR_TOKEN"'] : []),
    ...(body === undefined
      ? []
      : [`-H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`]),
    `'${address}'`,
  ].join(" \\\n  ");
}
