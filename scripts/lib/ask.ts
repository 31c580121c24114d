import { createInterface } from "node:readline/promises";

/** Ask for a secret on the terminal without echoing it; piped input is read as it is. It may be left empty. */
export async function askSecret(name: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const question = lines.question(`${name} (Enter leaves it for later): `);
    // readline echoes by writing to its output; nothing is written until Enter.
    Object.assign(lines, { _writeToOutput() {} });
    const value = (await question).trim();
    console.log();
    return value;
  } finally {
    lines.close();
  }
}
