import * as v from "valibot";
import { isTable, issueKeys, issueMessage } from "../errors/schema-issue.ts";
import { RULE_NAMES, SEVERITIES } from "../plan/alerts/alert.ts";
import { DAY } from "../plan/duration.ts";
import {
  duration,
  isPrivateWay,
  noSecret,
  secretName,
  type Secrets,
  tableOrJson,
  textIn,
} from "./fields.ts";
import type { ConfigMistake } from "./mistakes.ts";

const secret = secretName("ALERT_URL", "the channel");
const NAMES = 'must be a list of databases, like ["shop", "blog-*"]';
const QUIET = 'must be hours of the day, like "22:00-07:00"';
const HOURS = /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/;
const ZONE = 'must be a time zone, like "Europe/Berlin"';
const ADDRESS = "must be an email address";
const REMIND = 'must be a duration of at least 1h, like "24h", or "never"';
const RULE = `must be a list of rules: ${RULE_NAMES.join(", ")}`;

/** Keys of every channel. */
const ROUTE = {
  databases: v.optional(v.array(v.pipe(v.string(NAMES), v.minLength(1, NAMES)), NAMES)),
  severity: v.optional(
    v.picklist(SEVERITIES, `must be one of ${SEVERITIES.join(", ")}`),
    "warning",
  ),
  rules: v.optional(v.array(v.picklist(RULE_NAMES, RULE), RULE)),
  quiet: v.optional(
    v.pipe(
      v.string(QUIET),
      v.regex(HOURS, QUIET),
      v.check((text) => text.slice(0, 5) !== text.slice(6), QUIET),
    ),
  ),
  timezone: v.optional(v.pipe(v.string(ZONE), v.check(isZone, ZONE)), "UTC"),
  remind: v.optional(
    v.union(
      [
        v.pipe(
          v.literal("never"),
          v.transform(() => undefined),
        ),
        v.pipe(
          duration(REMIND),
          v.check((ms) => ms >= DAY / 24, REMIND),
        ),
      ],
      REMIND,
    ),
    "24h",
  ),
};

const email = v.pipe(v.string(ADDRESS), v.email(ADDRESS));

/** The keys of each type of channel: `url`, `secret` and `key` are NAMES of secrets. */
const TYPES = {
  webhook: { type: v.literal("webhook"), url: secret, secret, ...ROUTE },
  discord: { type: v.literal("discord"), url: secret, ...ROUTE },
  slack: { type: v.literal("slack"), url: secret, ...ROUTE },
  pagerduty: {
    type: v.literal("pagerduty"),
    key: secret,
    region: v.optional(v.picklist(["us", "eu"], "must be us or eu"), "us"),
    ...ROUTE,
  },
  email: {
    type: v.literal("email"),
    from: email,
    to: v.pipe(
      v.array(email, 'must be a list of addresses, like ["ops@acme.dev"]'),
      v.minLength(1),
    ),
    ...ROUTE,
  },
};

const CHANNEL_TYPES = Object.keys(TYPES) as [keyof typeof TYPES, ...(keyof typeof TYPES)[]];
const SCHEMAS = {
  webhook: v.strictObject(TYPES.webhook),
  discord: v.strictObject(TYPES.discord),
  slack: v.strictObject(TYPES.slack),
  pagerduty: v.strictObject(TYPES.pagerduty),
  email: v.strictObject(TYPES.email),
};
type Settings = {
  [T in keyof typeof SCHEMAS]: v.InferOutput<(typeof SCHEMAS)[T]>;
}[keyof typeof SCHEMAS];

/** Somewhere that alerts are sent to. */
export interface Channel {
  readonly name: string;
  /** Undefined where its entry is wrong. */
  readonly settings: Settings | undefined;
  /** Mistakes in the entry or its secrets; a channel that has any is not used. */
  readonly mistakes: readonly ConfigMistake[];
}

export function namesOf(channels: readonly Channel[]): string[] {
  return channels.map(({ name }) => name);
}

const NAME = /^[a-z0-9][a-z0-9_-]{0,49}$/;

/**
 * Read an `ALERTS` value: a table from wrangler.toml, or the same as a JSON string. A wrong channel has its
 * mistakes in it, as no mistake here may stop a backup.
 *
 * @param env the secrets; undefined where they are not known
 * @param hasEmail true if there is a binding EMAIL
 */
export function readChannels(raw: unknown, env: Secrets | undefined, hasEmail: boolean): Channel[] {
  if (raw === undefined) return [];
  const { value, mistakes } = tableOrJson("ALERTS", raw);
  if (mistakes.length > 0) return [{ name: "ALERTS", settings: undefined, mistakes }];
  if (!isTable(value)) {
    const fix = 'must be a table of channels, like { ops = { type = "slack", url = "SLACK_URL" } }';
    return [{ name: "ALERTS", settings: undefined, mistakes: [{ path: "ALERTS", fix }] }];
  }
  return Object.entries(value).map(([name, entry]) => readChannel(name, entry, env, hasEmail));
}

function readChannel(
  name: string,
  entry: unknown,
  env: Secrets | undefined,
  hasEmail: boolean,
): Channel {
  const path = `ALERTS.${name}`;
  const refused = (...mistakes: ConfigMistake[]) => ({ name, settings: undefined, mistakes });
  if (!NAME.test(name))
    return refused({ path, fix: "must be a name of up to 50 lower-case letters, digits, - and _" });
  const type = isTable(entry) ? entry["type"] : undefined;
  const known = CHANNEL_TYPES.find((one) => one === type);
  if (known === undefined)
    return refused({ path: `${path}.type`, fix: `must be one of ${CHANNEL_TYPES.join(", ")}` });
  const result = v.safeParse(SCHEMAS[known], entry);
  if (!result.success)
    return refused(
      ...result.issues.map((issue) => ({
        path: [path, ...issueKeys(issue)].join("."),
        fix: issueMessage(issue, Object.keys(TYPES[known])),
      })),
    );
  const settings = result.output;
  if (settings.type === "email" && !hasEmail)
    return refused({
      path: `${path}.type`,
      fix: "there is no binding EMAIL: add it to wrangler.toml, as docs/alerts.md shows",
    });
  const secrets = env === undefined ? [] : channelSecrets({ name, settings });
  const mistakes = secrets.flatMap((one) => secretMistakes(one, env!));
  return { name, settings, mistakes };
}

/** A secret, and the key that names it. */
interface NamedSecret {
  readonly path: string;
  readonly name: string;
}

/** The secrets that a channel needs. */
export function channelSecrets({
  name,
  settings,
}: Pick<Channel, "name" | "settings">): NamedSecret[] {
  const keys = settings === undefined ? {} : (settings as Readonly<Record<string, unknown>>);
  return ["url", "secret", "key"].flatMap((key) =>
    typeof keys[key] === "string" ? [{ path: `ALERTS.${name}.${key}`, name: keys[key] }] : [],
  );
}

/** Find what is wrong with a secret's value, without showing it. */
function secretMistakes({ path, name }: NamedSecret, env: Secrets): ConfigMistake[] {
  if (path.endsWith(".url")) return addressMistakes(path, name, env);
  const value = textIn(env, name);
  if (value === undefined) return [noSecret(path, name)];
  if (!path.endsWith(".secret") || WEBHOOK_SECRET.test(value)) return [];
  const fix = `the secret ${name} must be whsec_ and base64 of 24 to 64 bytes: make one with \`echo whsec_$(openssl rand -base64 32)\``;
  return [{ path, fix }];
}

const WEBHOOK_SECRET = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/;

/** Find what is wrong with a secret that holds an address. */
export function addressMistakes(path: string, name: string, env: Secrets): ConfigMistake[] {
  const value = textIn(env, name);
  if (value === undefined) return [noSecret(path, name)];
  const safe = URL.canParse(value) && isPrivateWay(new URL(value));
  return safe ? [] : [{ path, fix: `the secret ${name} must hold an https:// address` }];
}

function isZone(zone: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: zone }));
  } catch {
    return false; // a RangeError: Intl knows no other answer
  }
}
