import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Subject } from "../../src/cli/export/subject.ts";
import type { Choice, RowContent } from "../../src/format/rows/choice.ts";
import { selectionOf } from "../../src/format/tables/selection.ts";
import type { Image } from "../../src/sqlite/engine/image.ts";
import { planExport } from "../../src/sqlite/rows/export-plan.ts";
import { writeExport } from "../../src/sqlite/rows/write-export.ts";
import { writeSql } from "../../src/sqlite/sql/write-sql.ts";

/** Change a stream on its way, or break it off. */
type Spoil = (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** A server that gives what links to an image give, as the Worker writes it, and a subject with such links. */
export async function startExports() {
  const bodies = new Map<string, () => AsyncIterable<Uint8Array>>();
  const server = createServer((request, response) => {
    const body = bodies.get(request.url!);
    if (body === undefined) return void response.writeHead(404).end();
    pipeline(Readable.from(body()), response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let links = 0;

  function subjectOf(
    image: Image,
    fields: Partial<Subject> = {},
    spoil: Spoil = (b) => b,
  ): Subject {
    return {
      ...{ database: "shop", backup: "aaaaaaaaaaaa", counts: new Map(), ...fields },
      async link(format, choice) {
        const path = `/${++links}`;
        const plan = format === "sql" ? null : await planExport(image, choice);
        bodies.set(path, () =>
          spoil(plan === null ? sqlOf(image, choice) : rowsOf(image, plan, format, choice)),
        );
        return {
          ...{ url: origin + path, erasures: 0, asOf: "2026-11-20T02:00:00.000Z", moment: null },
          ...{ unusedRules: null, subset: null },
          export: plan && {
            leftOut: plan.leftOut,
            tables: plan.tables.map(({ name, columns, sequence }) => ({
              ...{ name, columns: columns.map((column) => column.name) },
              sequence: sequence === null ? null : String(sequence),
            })),
          },
        };
      },
    };
  }

  return {
    subjectOf,
    async stop() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function sqlOf(image: Image, { tables, only }: Choice): AsyncIterable<Uint8Array> {
  const parts = { schemaOnly: only === "schema", dataOnly: only === "data" };
  return writeSql(image, "sqlite", selectionOf({ tables, ...parts }));
}

function rowsOf(
  image: Image,
  plan: Awaited<ReturnType<typeof planExport>>,
  format: string,
  { tables, blobs }: Choice,
): AsyncIterable<Uint8Array> {
  const tagged = tables?.length !== 1;
  return writeExport(image, plan, format as RowContent, { tagged, blobs });
}
