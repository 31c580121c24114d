import type { Freshness } from "../plan/freshness.ts";
import { age } from "./age.ts";
import { sizeOf } from "./size.ts";

/** The content of a badge; the member names are those of shields.io's endpoint format. */
export interface BadgeFace {
  label: string;
  message: string;
  color: BadgeColor;
}

export type BadgeColor = "brightgreen" | "orange" | "red" | "lightgrey";

/** What a badge can show. */
export const BADGE_SHOWS = ["backup", "restorable", "recovery-point", "size"] as const;
export type BadgeShow = (typeof BADGE_SHOWS)[number];

/** What is known of a database. Times in ms, undefined where there is none. */
export interface BadgeFacts {
  readonly state: Freshness;
  /** Time at which its newest backup that is known to be good was taken or last confirmed. */
  readonly verifiedAt: number | undefined;
  /** Time at which its newest backup whose drill passed was taken or last confirmed. */
  readonly drilledAt: number | undefined;
  /** The newest moment that can be restored, as far as is known. */
  readonly restorableAt: number | undefined;
  /** Bytes of its newest backup, as a database. */
  readonly bytes: number | undefined;
}

/** The badge of what is not there, or may not be seen. */
export const UNKNOWN: BadgeFace = { label: "backup", message: "unknown", color: "lightgrey" };

const COLORS: Record<Freshness, BadgeColor> = {
  fresh: "brightgreen",
  late: "orange",
  unverified: "orange",
  corrupt: "red",
  misconfigured: "red",
  failed: "red",
  none: "lightgrey",
};
const LABELS: Record<BadgeShow, string> = {
  backup: "backup",
  restorable: "restorable",
  "recovery-point": "recovery point",
  size: "backup size",
};

/**
 * Return the face of a database's badge. Its colour is that of the database's state, whatever it shows: a
 * green badge of a database that is failing would be a lie.
 *
 * @param label instead of the usual one
 * @param now ms
 */
export function badgeFace(
  facts: BadgeFacts,
  now: number,
  show: BadgeShow = "backup",
  label = LABELS[show],
): BadgeFace {
  const { state } = facts;
  return { label, message: messageOf(facts, now, show), color: COLORS[state] };
}

function messageOf(facts: BadgeFacts, now: number, show: BadgeShow): string {
  const { state, verifiedAt, drilledAt, restorableAt, bytes } = facts;
  switch (show) {
    case "backup":
      if (state === "fresh") return age(verifiedAt!, now);
      return state === "none" ? "none yet" : state;
    case "restorable":
      return drilledAt === undefined ? "not proven yet" : age(drilledAt, now);
    case "recovery-point":
      return restorableAt === undefined ? "none yet" : age(restorableAt, now);
    case "size":
      return bytes === undefined ? "none yet" : sizeOf(bytes);
  }
}
