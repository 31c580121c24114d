import { iso } from "../core/iso.ts";
import type { Message, MessageKind, Problem } from "../plan/alerts/alert.ts";
import type { NewDelivery } from "../catalog/watch/deliveries.ts";

/** Characters of the words of a message at most: names and errors come from outside. */
const LONGEST = 1000;

/** Make a problem's words short enough for every channel. */
export function shortened<P extends Problem>(problem: P): P {
  const { summary, hint } = problem;
  return { ...problem, summary: cut(summary), hint: cut(hint) };
}

function cut(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`;
}

/**
 * Make the message that tells a channel of an incident.
 *
 * @param problem the incident, with its severity and words of now
 * @param now ms
 */
export function messageFor(
  { id, openedAt }: { readonly id: string; readonly openedAt: number },
  { rule, severity, database, summary, hint }: Problem,
  { channel, kind }: { readonly channel: string; readonly kind: MessageKind },
  now: number,
): NewDelivery {
  // Only reminders are repeated.
  const which = kind === "reminder" ? `${kind}-${now}` : kind;
  const message: Message = {
    ...{ id: `${id}.${channel}.${which}`, incident: id, kind, rule, severity, database },
    ...{ summary, hint, openedAt: iso(openedAt), at: iso(now) },
  };
  return { channel, message };
}
