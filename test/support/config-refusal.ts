import { expect } from "vitest";

/** The message with which a configuration is refused. */
export function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    return (error as Error).message;
  }
  throw new Error("it was accepted");
}
