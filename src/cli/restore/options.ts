import { concerning, type Erasure } from "../../format/tables/erasure.ts";
import { lossWindow, type LossWindow } from "../../plan/loss.ts";
import { bodyOf, type Client } from "../client.ts";
import { saveDecrypted } from "../files/decrypt.ts";
import { type Digest, digestIn } from "../files/download.ts";
import { findBackup } from "../find-backup.ts";
import { makeLink, makeMomentLink } from "../link.ts";
import { earliestOf, uncertainty } from "../moment.ts";
import { printWarnings } from "../warnings.ts";

/** Options of every restore, whatever its target. */
export interface RestoreOptions {
  readonly database: string;
  /** A backup's id, or `latest`; passed over where there is `at`. */
  readonly backup: string;
  readonly at: string | undefined;
  readonly tables: readonly string[] | undefined;
  readonly schemaOnly: boolean;
  readonly dataOnly: boolean;
  /** A file of identities, for what is encrypted. */
  readonly identity: string | undefined;
  readonly verify: boolean;
  /** Give masks in place of values. */
  readonly sanitize: boolean;
  readonly overwrite: boolean;
  /** Replace what is there without asking. */
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** The subject of a restore, as a download. */
export interface Found {
  /** For people: `backup 9m3k… of shop`. */
  readonly what: string;
  readonly kind: "dump" | "snapshot" | "moment";
  readonly asOf: string;
  /** Time of the capture, which may be later; null for a moment. */
  readonly takenAt: string | null;
  /** Bytes of the file or of the SQL text, as far as they are known. */
  readonly bytes: number;
  /** Its tables with their rows (null for virtual ones); undefined for a moment, which nobody has counted. */
  readonly tables: readonly { name: string; rows: number | null }[] | undefined;
  readonly userVersion: number | null;
  readonly loss: LossWindow;
  /** Entries of the erasure list that concern it: rows are left out, and pages cannot be given. */
  readonly erasures: readonly Erasure[];
  /** Open an encrypted backup on this machine, and save it as `db` or `sql`; undefined for any other. */
  readonly open: ((format: string, file: string) => Promise<unknown>) | undefined;
  /** A link to it, and the hash that it must have where one is known. */
  link(format: string): Promise<{ url: string; digest: Digest | undefined }>;
}

/** Find what is to be restored. */
export async function findSubject(
  client: Client,
  { database: db, backup, at, identity, json }: RestoreOptions,
): Promise<Found> {
  const state = await bodyOf(client.v1.databases[":db"].$get({ param: { db } }));
  const newest = state.newestBackup;
  const known = [state.log?.committedAt, newest?.snapshot?.committedAt ?? newest?.takenAt]
    .filter((moment) => moment !== undefined)
    .map((moment) => Date.parse(moment));
  const { erasures } = await bodyOf(client.v1.databases[":db"].erasures.$get({ param: { db } }));
  const loss = (asOf: string) => lossWindow(db, asOf, known, Date.now());
  if (at !== undefined) {
    const linkTo = (format: string) => makeMomentLink(client, db, at, { format, expiresIn: "6h" });
    const { moment } = await linkTo("sql");
    return {
      what: `${db} as of ${moment.committedAt}${uncertainty(moment)}`,
      kind: "moment",
      asOf: moment.committedAt,
      takenAt: null,
      bytes: moment.bytes,
      tables: undefined,
      userVersion: null,
      loss: loss(moment.committedAt),
      erasures: concerning(erasures, earliestOf(moment)),
      open: undefined,
      link: async (format) => ({ url: (await linkTo(format)).url, digest: undefined }),
    };
  }
  const found = await findBackup(client, db, backup);
  printWarnings(found);
  const asOf = found.snapshot?.committedAt ?? found.takenAt;
  const erased = concerning(erasures, found.takenAt);
  const { encryption } = found;
  return {
    what: `backup ${found.id} of ${db}`,
    kind: found.kind,
    asOf,
    takenAt: found.takenAt,
    bytes: found.raw.bytes,
    tables: found.tables,
    userVersion: found.schema.userVersion,
    loss: loss(asOf),
    erasures: erased,
    open:
      encryption &&
      ((format, file) =>
        saveDecrypted(client, { ...found, encryption }, format, identity, file, json)),
    link: async (format) => ({
      url: (await makeLink(client, found.id, { format, expiresIn: "6h" })).url,
      digest: erased.length === 0 ? digestIn(found, format) : undefined,
    }),
  };
}
