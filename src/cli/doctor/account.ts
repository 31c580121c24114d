import { DAY, span } from "../../plan/duration.ts";
import { type Finding, good, problem, warning } from "./finding.ts";

/** Clocks that differ by more than this lead people to other moments than they meant, ms. */
const SKEW = 30_000;
/** A token that ends within this time is told of, ms. */
export const SOON = 14 * DAY;

/** What Nightjar says of the caller, and when it said so by the clock of this machine. */
export interface CallerFacts {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly databases: readonly string[] | null;
  readonly expiresAt: string | null;
  readonly now: string;
  readonly version: string;
  /** Ms since the epoch, before and after the question. */
  readonly asked: number;
  readonly answered: number;
}

/** Judge address, version, clock and token. */
export function judgeAccount(url: string, version: string, caller: CallerFacts): Finding[] {
  const { name, scopes, databases, expiresAt, asked, answered } = caller;
  const took = answered - asked;
  const skew = Date.parse(caller.now) - (asked + answered) / 2;
  const certain = Math.abs(skew) - took / 2;
  const which = databases === null ? "all databases" : databases.join(", ");
  const may = `${name} may ${scopes.join(", ")} (${which})`;
  const left = expiresAt === null ? Infinity : Date.parse(expiresAt) - Date.parse(caller.now);
  return [
    good("nightjar", `${url} answers in ${Math.round(took)} ms.`),
    caller.version === version
      ? good("nightjar", `Version ${version}, as this command.`)
      : warning(
          "nightjar",
          `It has version ${caller.version}, and this command ${version}.`,
          "Install the command of that version, or deploy this one: docs/upgrading.md.",
        ),
    certain > SKEW
      ? warning(
          "nightjar",
          `Its clock is ${span(Math.abs(skew))} ${skew > 0 ? "ahead of" : "behind"} this machine's.`,
          "Set this machine's clock: moments such as --at -2h are counted by it.",
        )
      : good("nightjar", "Its clock and this machine's agree."),
    left < SOON
      ? warning(
          "token",
          `${may}, and ends in ${span(left)}.`,
          `Make another one, and sign in with it: nightjar token create ${name}`,
        )
      : good("token", `${may}.`),
  ];
}

/** Judge whether the catalog has the tables that the Worker needs. */
export function judgeCatalog(migration: {
  readonly applied: string | null;
  readonly needed: string;
}): Finding {
  const { applied, needed } = migration;
  if (applied === needed) return good("catalog", `Its newest migration is ${needed}.`);
  if (applied === null)
    return {
      ...{ level: "unseen", about: "catalog" },
      message: "It has no list of migrations.",
      fix: "In a checkout: npm run deploy applies those that are missing.",
    };
  return applied < needed
    ? problem(
        "catalog",
        `Its newest migration is ${applied}, and the Worker needs ${needed}.`,
        "In a checkout of the Worker's version: npm run deploy applies those that are missing.",
      )
    : warning(
        "catalog",
        `It has the migration ${applied}, and the Worker knows ${needed} at most: the Worker is older.`,
        "Deploy the newer version again: docs/upgrading.md.",
      );
}

/** How the pages that tell of the whole answered. */
export interface FleetFacts {
  readonly cronAt: string | null;
  readonly isAsleep: boolean;
  readonly channels: readonly {
    readonly name: string;
    readonly mistakes: readonly { readonly path: string; readonly fix: string }[];
    readonly error: { readonly message: string; readonly hint: string } | null;
  }[];
  /** True if any database has a second copy of its newest backup. */
  readonly hasCopies: boolean;
}

/** Judge the cron, the channels of alerts and the second copy. */
export function judgeFleet({ cronAt, isAsleep, channels, hasCopies }: FleetFacts): Finding[] {
  return [
    isAsleep
      ? problem(
          "cron",
          cronAt === null ? "It has never run: nothing is backed up." : `It last ran at ${cronAt}.`,
          "Look at the Worker's cron triggers, and deploy again: npm run deploy",
        )
      : good("cron", "It runs."),
    ...(channels.length === 0
      ? [
          warning(
            "alerts",
            "Nobody is told when a backup fails.",
            "Add a channel to ALERTS, and deploy: docs/alerts.md.",
          ),
        ]
      : channels.flatMap(({ name, mistakes, error }) => [
          ...mistakes.map(({ path, fix }) =>
            problem("alerts", `${path} ${fix}`, "Correct it, and deploy again."),
          ),
          error === null
            ? good("alerts", `Channel ${name} takes its messages.`)
            : problem("alerts", `Channel ${name}: ${error.message}`, error.hint),
        ])),
    hasCopies
      ? good("copy", "There is a second copy.")
      : warning(
          "copy",
          "There is no second copy: an account that is lost takes all backups along.",
          "Configure COPY, and deploy: docs/second-copy.md.",
        ),
    {
      ...{ level: "unseen", about: "bucket" },
      message: "The bucket's own rules can be seen by its Cloudflare account alone.",
      fix: "In a checkout: npm run deploy -- --check",
    },
  ];
}
