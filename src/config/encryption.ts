import * as v from "valibot";
import { secretName } from "./fields.ts";
import type { ConfigMistake } from "./mistakes.ts";
import { identityMistake, recipientMistake } from "../format/age/age.ts";

const RECIPIENTS =
  'must be a list of public keys of age, like ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]';
/** Each adds a stanza to the header of every backup. */
const MOST_RECIPIENTS = 20;

const recipient = v.pipe(
  v.string(RECIPIENTS),
  v.check(
    (text) => !/^age-secret-key-/i.test(text),
    "must be a public key: this is an identity, which is secret. Make a new one with `age-keygen`, and put only its age1… here",
  ),
  v.check(
    (text) => recipientMistake(text) === undefined,
    (issue) =>
      `must be a public key of age, like age1ql3z…: ${recipientMistake(issue.input) ?? "it is none"}`,
  ),
);

/** The keys of a database's table that are about encryption. */
export const ENCRYPTION_ENTRIES = {
  recipients: v.optional(
    v.pipe(
      v.array(recipient, RECIPIENTS),
      // An empty list would read like encryption, and be none.
      v.minLength(1, `${RECIPIENTS}; leave it out where nothing is to be encrypted`),
      v.maxLength(MOST_RECIPIENTS, `must be ${MOST_RECIPIENTS} public keys at the most`),
    ),
  ),
  identity: v.optional(secretName("SHOP_IDENTITY", "anybody who may read the Worker's secrets")),
};

/** Find a key that does not go together with encryption, in a database's table at `path`. */
export function encryptionMistake(
  path: string,
  entry: {
    recipients?: readonly string[] | undefined;
    identity?: string | undefined;
    follow?: number | undefined;
  },
): ConfigMistake | undefined {
  const encrypted = entry.recipients !== undefined;
  if (encrypted && entry.follow !== undefined) {
    const fix =
      "does not go together with `recipients`: the page log is merged in the bucket, which takes a key. Remove one of them";
    return { path: `${path}.follow`, fix };
  }
  if (!encrypted && entry.identity !== undefined) {
    const fix = "is of no use without `recipients`: nothing is encrypted";
    return { path: `${path}.identity`, fix };
  }
  return undefined;
}

/** Say what is wrong with the value of an identity's secret, undefined for nothing; never quote it. */
export function identityFix(name: string, value: string): string | undefined {
  const mistake = identityMistake(value);
  if (mistake === undefined) return undefined;
  return `the secret ${name} must be one line that starts with AGE-SECRET-KEY-: ${mistake}`;
}
