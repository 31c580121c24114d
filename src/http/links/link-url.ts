import type { Moment } from "../../read/moment.ts";
import { type Format, FORMATS } from "../../plan/formats.ts";
import { stamp } from "../../plan/stamp.ts";
import { sign, signatureHolds } from "./signature.ts";

/** The content of a download link. */
export interface Grant {
  /** The link's id. */
  readonly id: string;
  /** Seconds since the epoch. */
  readonly expires: number;
  readonly database: string;
  /** Time of the capture, as in the backup's key; for a moment its last commit. */
  readonly stamp: string;
  /** The backup's id; for a moment its lineage's and its transaction. */
  readonly subject: string;
  readonly format: Format;
}

const LINK = /^([0-9a-z]{12})\.([0-9a-z]{1,9})\.([\w-]{43})$/;
const FILENAME =
  /^([a-z0-9][a-z0-9_-]*)-(\d{8}T\d{6}Z)-([0-9a-z]{12}(?:-\d{1,16})?)\.([a-z]+(?:\.[a-z]+){0,2})$/;

/** The name that a download is saved under: `shop-20261121T000000Z-<id>.sql.gz`. */
function filename(grant: Omit<Grant, "id" | "expires">): string {
  return `${grant.database}-${grant.stamp}-${grant.subject}.${grant.format}`;
}

/** Everything that a link says is signed; nothing of it can be changed. */
function fields(grant: Grant): string[] {
  return [grant.id, String(grant.expires), filename(grant)];
}

/** The path of a download link: `/d/<id>.<expiry>.<signature>/<filename>`. */
export function linkPath(grant: Grant, key: string): string {
  const signature = sign(key, "link", fields(grant));
  return `/d/${grant.id}.${grant.expires.toString(36)}.${signature}/${filename(grant)}`;
}

/** Read a link's two path parts; undefined if none of the keys has signed such a link. */
export function readLink(link: string, file: string, keys: readonly string[]): Grant | undefined {
  const [, id, expires, signature] = LINK.exec(link) ?? [];
  const [, database, taken, subject, format] = FILENAME.exec(file) ?? [];
  if (id === undefined || database === undefined || expires!.startsWith("0")) return undefined;
  if (!FORMATS.includes(format as Format)) return undefined;
  const grant: Grant = {
    id,
    expires: Number.parseInt(expires!, 36),
    database,
    stamp: taken!,
    subject: subject!,
    format: format as Format,
  };
  return signatureHolds(signature!, keys, "link", fields(grant)) ? grant : undefined;
}

/** Make the content of a link to a backup. */
export function grantFor(
  backup: { id: string; database: string; takenAt: number },
  format: Format,
  id: string,
  expires: number,
): Grant {
  const { database, takenAt } = backup;
  return { id, expires, database, stamp: stamp(takenAt), subject: backup.id, format };
}

/** Make the content of a link to a moment of the log. */
export function grantForMoment(
  { database, lineage, txid, committedAt }: Moment,
  format: Format,
  id: string,
  expires: number,
): Grant {
  const subject = `${lineage.split("-")[1]}-${txid}`;
  return { id, expires, database, stamp: stamp(committedAt), subject, format };
}
