import { paint } from "./output.ts";

interface Warned {
  id: string;
  warnings: readonly { where: string; count: number; message: string }[];
}

/** Tell on standard error what a reader must know before restoring a backup. */
export function printWarnings({ id, warnings }: Warned): void {
  for (const { where, count, message } of warnings)
    console.error(`${paint("yellow", "warning")}: backup ${id}, ${where} (${count}): ${message}`);
}
