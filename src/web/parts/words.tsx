import type { Freshness } from "../../plan/freshness.ts";
import { span } from "../../plan/duration.ts";
import { age } from "../age.ts";

export type Tone = "good" | "warn" | "bad" | "idle";

/** A state in a word with its colour, and in a sentence. */
const STATES: Readonly<Record<Freshness | "not configured", readonly [Tone, string]>> = {
  fresh: ["good", "The newest backup is known to be good, and as new as it should be."],
  unverified: [
    "warn",
    "The newest backup was not read back yet, and the last one that was is overdue.",
  ],
  late: ["warn", "The next backup is overdue."],
  failed: ["bad", "The last run failed."],
  corrupt: ["bad", "The newest backup is not what was captured, or does not restore."],
  misconfigured: ["bad", "The configuration is wrong, and nothing is done for it."],
  none: ["idle", "There is no backup yet."],
  "not configured": ["idle", "It is not configured any more. What is stored of it stays."],
};

export function State({ state }: { readonly state: Freshness | "not configured" }) {
  const [tone, sentence] = STATES[state];
  return (
    <span class={`state ${tone}`} title={sentence}>
      {state}
    </span>
  );
}

/** What a state means, in a sentence. */
export function sentenceOf(state: Freshness | "not configured"): string {
  return STATES[state][1];
}

/** A word in the colour of how good it is. */
export function Word({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return <span class={`state ${tone}`}>{children}</span>;
}

/** A moment: how long ago or in what time, and the time itself where the reader points at it. */
export function When({ at, now }: { readonly at: string | null; readonly now: number }) {
  if (at === null) return <span class="soft">never</span>;
  const moment = Date.parse(at);
  const words = moment > now ? `in ${span(moment - now)}` : age(moment, now);
  return (
    <time datetime={at} title={timeOf(at)}>
      {words}
    </time>
  );
}

/** A moment as `2026-11-21 03:00`. */
export function timeOf(at: string): string {
  return at.slice(0, 16).replace("T", " ");
}

/** A duration of whole seconds for people. */
export function seconds(count: number | null): string {
  return count === null ? "not known" : span(count * 1000);
}

/** Words in which what stands between backticks is code. */
export function Coded({ text }: { readonly text: string }) {
  return <>{text.split("`").map((part, at) => (at % 2 === 1 ? <code>{part}</code> : part))}</>;
}
