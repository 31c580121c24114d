import type { Choice } from "../../format/rows/choice.ts";
import { choiceFields } from "./choice.ts";
import type { Client } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { findBackup } from "../find-backup.ts";
import { makeLink, makeMomentLink } from "../link.ts";
import { type KeptTable, printWarnings } from "../warnings.ts";

/** A link to a part of what is exported. */
export interface ExportLink {
  readonly url: string;
  readonly erasures: number;
  readonly unusedRules: readonly string[] | null;
  readonly subset: readonly KeptTable[] | null;
  readonly export: {
    readonly tables: readonly {
      readonly name: string;
      readonly columns: readonly string[];
      readonly sequence: string | null;
    }[];
    readonly leftOut: readonly { readonly name: string; readonly why: string }[];
  } | null;
}

/** The subject of an export. */
export interface Subject {
  readonly database: string;
  readonly backup: string | null;
  /** Rows of its tables where they were counted. */
  readonly counts: ReadonlyMap<string, number>;
  /** Make a link, each time to the same state of the database. */
  link(format: string, choice: Choice): Promise<ExportLink & Dated>;
}

interface Dated {
  readonly asOf: string;
  readonly moment: { readonly lineage: string; readonly txid: number } | null;
}

/** For how long a link works: exports are read as they come. */
const EXPIRES_IN = "6h";

/** Find what is to be exported: a backup, or the database as it was at a moment. */
export async function findExport(
  client: Client,
  database: string,
  backup: string,
  at: string | undefined,
): Promise<Subject> {
  if (at !== undefined) return momentSubject(client, database, at);
  const found = await findBackup(client, database, backup);
  printWarnings(found);
  const asOf = found.snapshot?.committedAt ?? found.takenAt;
  const counts = new Map(
    found.tables.flatMap(({ name, rows }) => (rows === null ? [] : [[name, rows] as const])),
  );
  return {
    ...{ database, backup: found.id, counts },
    async link(format, choice) {
      const terms = { format, expiresIn: EXPIRES_IN, ...choiceFields(choice) };
      return { ...(await makeLink(client, found.id, terms)), asOf, moment: null };
    },
  };
}

function momentSubject(client: Client, database: string, at: string): Subject {
  let first: Dated["moment"] = null;
  return {
    ...{ database, backup: null, counts: new Map() },
    async link(format, choice) {
      const terms = { format, expiresIn: EXPIRES_IN, ...choiceFields(choice) };
      const link = await makeMomentLink(client, database, at, terms);
      const { lineage, txid, committedAt } = link.moment;
      first ??= { lineage, txid };
      if (first.lineage !== lineage || first.txid !== txid)
        throw new CliError(EXIT.failed, `What ${database} was at ${at} became known meanwhile.`, {
          hint: "Run the command again; nothing was kept.",
        });
      return { ...link, asOf: committedAt, moment: { lineage, txid } };
    },
  };
}
