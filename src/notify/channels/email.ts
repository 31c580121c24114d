import type { Message } from "../../plan/alerts/alert.ts";
import { titleOf } from "../../plan/alerts/incidents.ts";
import type { Email } from "../../worker/context.ts";

/** Make the email of a message. */
export function emailOf(from: string, to: readonly string[], message: Message): Email {
  const { kind, severity, summary, hint, openedAt, at, incident } = message;
  const closed = kind === "closed";
  const lines = [
    summary,
    ...(closed ? [] : [hint]),
    "",
    `Severity: ${severity}`,
    `Since: ${openedAt}`,
    ...(closed ? [`Over: ${at}`] : []),
    `Incident: ${incident}`,
  ];
  // A name in a subject must not begin another header.
  const subject = `[Nightjar] ${titleOf(message)}`.replaceAll(/[\r\n]+/g, " ");
  return { from, to: [...to], subject, text: `${lines.join("\n")}\n` };
}
