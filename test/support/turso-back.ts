import type { Manifest } from "../../src/model/manifest.ts";
import type { Context } from "../../src/worker/context.ts";
import { apiOf } from "./api.ts";
import { cells, type Told } from "./told.ts";
import { TursoDatabase } from "./turso-database.ts";
import type { TursoKind } from "./turso-kinds.ts";

/** Download a backup as a user does. */
export async function download(
  context: Context,
  { id }: Manifest,
  format: string,
): Promise<Uint8Array> {
  const api = apiOf(context);
  return api.bytes((await api.json(`/v1/backups/${id}/links`, { format }))["url"]);
}

/** Read everything in a file by tursodb. */
export async function inTurso(
  file: Uint8Array,
  { flags = [], queries }: Pick<TursoKind, "flags" | "queries">,
): Promise<Told> {
  const copy = await TursoDatabase.open(file, ...flags);
  try {
    return await copy.tell(queries);
  } finally {
    await copy.remove();
  }
}

const ZERO = cells.real(0);
const NEGATIVE_ZERO = cells.real(-0);

/** Return what the SQL of a backup keeps. */
export function kept(
  told: Told,
  { leftOut = [], signLost = false }: Pick<TursoKind, "leftOut" | "signLost">,
): Told {
  const isKept = (line: string) =>
    !leftOut.some((name) => line.includes(` | ${name} | `)) && !line.includes("__turso_internal");
  const { schema, rows, answers } = told;
  const loaded = Object.entries(rows).map(([table, lines]) => [
    table,
    signLost ? lines.map((line) => line.replaceAll(NEGATIVE_ZERO, ZERO)) : lines,
  ]);
  return { answers, schema: schema.filter(isKept), rows: Object.fromEntries(loaded) };
}
