import * as v from "valibot";
import { isPrivateWay, secretName, tableOrJson } from "./fields.ts";
import { configError, type ConfigMistake } from "./mistakes.ts";
import { issueKeys, issueMessage, isTable } from "../errors/schema-issue.ts";

/** The second store: a bucket of an S3-compatible store, or a second R2 bucket. */
export type CopyConfig = S3Copy | BoundCopy;

interface CopyBase {
  /** Before every key there; "" or ends with a slash. */
  readonly prefix: string;
  /** True if copies stay there after the retention policy has deleted the backups. */
  readonly keep: boolean;
}

export interface S3Copy extends CopyBase {
  /** The bucket's address, path style, without a trailing slash. */
  readonly endpoint: string;
  readonly region: string;
  /** The NAMES of the secrets. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

interface BoundCopy extends CopyBase {
  /** The R2 binding `COPY_BUCKET`. */
  readonly bucket: "binding";
}

const ENDPOINT =
  "must be the https:// address of a bucket, its name last, like https://<account>.r2.cloudflarestorage.com/<bucket>";

const endpoint = v.pipe(
  v.string(ENDPOINT),
  v.check((text) => {
    if (!URL.canParse(text)) return false;
    const url = new URL(text);
    return isPrivateWay(url) && /^(\/[A-Za-z0-9._-]+)+\/?$/.test(url.pathname);
  }, ENDPOINT),
  v.check((text) => {
    if (!URL.canParse(text)) return true;
    const { username, password } = new URL(text);
    return username + password === "" && !/[?#]/.test(text);
  }, "must hold no credentials, query or fragment: put the keys in secrets and name them in `accessKeyId` and `secretAccessKey`"),
  v.transform((text) => text.replace(/\/+$/, "")),
);

const PREFIX = "must be letters, digits, . _ - and /, like nightjar/";

const ENTRIES = {
  endpoint: v.optional(endpoint),
  region: v.optional(
    v.pipe(
      v.string("must be the bucket's region, like eu-central-1"),
      v.regex(/^[a-z0-9-]{1,40}$/, "must be the bucket's region, like eu-central-1"),
    ),
  ),
  accessKeyId: v.optional(secretName("COPY_KEY_ID", "the store")),
  secretAccessKey: v.optional(secretName("COPY_KEY", "the store")),
  bucket: v.optional(
    v.picklist(
      ["binding"],
      'must be "binding", which is the R2 bucket bound as COPY_BUCKET; any other bucket goes into `endpoint`',
    ),
  ),
  prefix: v.optional(
    v.pipe(
      v.string(PREFIX),
      v.regex(/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*\/?$/, PREFIX),
      v.maxLength(200, "must be 200 characters at the most"),
      v.transform((text) => `${text.replace(/\/$/, "")}/`),
    ),
  ),
  keep: v.optional(
    v.boolean("must be true (nothing is ever deleted there) or false (the retention policy is)"),
    false,
  ),
};

const TABLE = 'must be a table with `endpoint`, or with bucket = "binding"';

const schema = v.pipe(
  v.custom<Record<string, unknown>>(isTable, TABLE),
  v.strictObject(ENTRIES, TABLE),
);

const S3_KEYS = ["endpoint", "accessKeyId", "secretAccessKey"] as const;

/**
 * The second copy of a `COPY` value: a table from wrangler.toml, or the same as a JSON string.
 *
 * @throws NightjarError `CONFIG_INVALID` that names every mistake by its path and how to fix it
 */
export function parseCopy(raw: unknown): CopyConfig | undefined {
  const { copy, mistakes } = readCopy(raw, {});
  if (mistakes.length > 0) throw configError(mistakes);
  return copy;
}

/**
 * The same, with the mistakes as values.
 *
 * @param binding what is bound as `COPY_BUCKET`
 */
export function readCopy(
  raw: unknown,
  binding: unknown,
): {
  copy: CopyConfig | undefined;
  mistakes: ConfigMistake[];
} {
  const refused = (...mistakes: ConfigMistake[]) => ({ copy: undefined, mistakes });
  if (raw === undefined) return refused();
  const { value, mistakes } = tableOrJson("COPY", raw);
  if (mistakes.length > 0) return refused(...mistakes);
  const result = v.safeParse(schema, value);
  if (!result.success)
    return refused(
      ...result.issues.map((issue) => ({
        path: ["COPY", ...issueKeys(issue)].join("."),
        fix: issueMessage(issue, Object.keys(ENTRIES)),
      })),
    );

  const { bucket, prefix = "", keep, region = "auto", ...s3 } = result.output;
  if (bucket !== undefined) {
    const both = [...S3_KEYS, "region" as const].filter((key) => result.output[key] !== undefined);
    const fix = 'has no place beside bucket = "binding": remove the one or the other';
    const unbound =
      "there is no R2 binding COPY_BUCKET: add it to wrangler.toml, as docs/second-copy.md shows";
    if (typeof binding !== "object") return refused({ path: "COPY.bucket", fix: unbound });
    if (both.length > 0) return refused(...both.map((key) => ({ path: `COPY.${key}`, fix })));
    return { copy: { bucket, prefix, keep }, mistakes: [] };
  }
  const missing = S3_KEYS.filter((key) => s3[key] === undefined);
  if (missing.length > 0)
    return refused(...missing.map((key) => ({ path: `COPY.${key}`, fix: "is missing" })));
  const { endpoint: at, accessKeyId, secretAccessKey } = s3 as Required<typeof s3>;
  return {
    copy: {
      endpoint: at!,
      region,
      accessKeyId: accessKeyId!,
      secretAccessKey: secretAccessKey!,
      prefix,
      keep,
    },
    mistakes: [],
  };
}

/** The secrets that the second copy needs, by the key that names each. */
export function copySecrets(copy: CopyConfig | undefined): { path: string; name: string }[] {
  if (copy === undefined || "bucket" in copy) return [];
  return [
    { path: "COPY.accessKeyId", name: copy.accessKeyId },
    { path: "COPY.secretAccessKey", name: copy.secretAccessKey },
  ];
}
