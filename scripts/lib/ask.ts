import { createInterface } from "node:readline/promises";

/** Ask for a secret on the terminal without echoing it; piped input is read as it is. */
export async function askSecret(name: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const question = lines.question(`${name} (the database's token): `);
    // readline echoes by writing to its output; nothing is written until Enter.
    Object.assign(lines, { _writeToOutput() {} });
    const value = (await question).trim();
    console.log();
    if (value === "") throw new Error(`${name} is needed; run this again when you have it.`);
    return value;
  } finally {
    lines.close();
  }
}
