import type { Mortality } from "./mortal-sqld.ts";

/** Restart a server of `startMortalSqld` in the given way; resolves when it is back. */
export async function tellMortal(control: string, how: Mortality): Promise<void> {
  const answer = await fetch(control, { method: "POST", body: JSON.stringify(how) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
}
