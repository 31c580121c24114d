import { DAY, HOUR, MINUTE } from "../plan/duration.ts";

/** Format the time since a moment for a badge: `just now`, `5 min ago`, `2 h ago`, `3 d ago`. */
export function age(then: number, now: number): string {
  const ms = now - then;
  if (ms < MINUTE) return "just now";
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h ago`;
  return `${Math.floor(ms / DAY)} d ago`;
}
