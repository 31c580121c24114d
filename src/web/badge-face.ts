import type { Freshness } from "../plan/freshness.ts";
import { age } from "./age.ts";

/** The content of a badge; the member names are those of shields.io's endpoint format. */
export interface BadgeFace {
  label: string;
  message: string;
  color: BadgeColor;
}

export type BadgeColor = "brightgreen" | "orange" | "red" | "lightgrey";

/**
 * Return the face for a database's state.
 *
 * @param verified time at which its newest backup that is known to be good was taken, ms
 */
export function badgeFace(state: Freshness, verified: number | undefined, now: number): BadgeFace {
  const label = "backup";
  switch (state) {
    case "fresh":
      return { label, message: age(verified!, now), color: "brightgreen" };
    case "late":
      return { label, message: "late", color: "orange" };
    case "unverified":
      return { label, message: "unverified", color: "orange" };
    case "corrupt":
      return { label, message: "corrupt", color: "red" };
    case "misconfigured":
      return { label, message: "misconfigured", color: "red" };
    case "failed":
      return { label, message: "failed", color: "red" };
    case "none":
      return { label, message: "none yet", color: "lightgrey" };
  }
}
