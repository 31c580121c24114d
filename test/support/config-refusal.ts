import { expect } from "vitest";

/** Return the message with which a configuration, or work with it, is refused. */
export function refusal(action: () => unknown, code = "CONFIG_INVALID"): string {
  try {
    action();
  } catch (error) {
    expect(error).toMatchObject({ code });
    return (error as Error).message;
  }
  throw new Error("it was accepted");
}
