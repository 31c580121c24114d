import { createHmac } from "node:crypto";
import { NightjarError } from "../errors/errors.ts";
import type { Rules } from "../format/masks/rule.ts";
import type { Image } from "../sqlite/engine/image.ts";
import { type MaskPlan, planMasks } from "../sqlite/masks/plan-masks.ts";
import type { Context } from "../worker/context.ts";
import type { Stored } from "./stored.ts";
import type { Choice } from "../format/rows/choice.ts";

/** The rules of a database, and the key under which its masks are made. */
interface Sanitizer {
  readonly rules: Rules;
  readonly key: string;
}

/** @throws NightjarError `SANITIZE_RULES` for a database without rules; `DATABASE_MISCONFIGURED` */
async function sanitizerOf({ config, fleet }: Context, name: string): Promise<Sanitizer> {
  const database = await fleet.settings(name);
  const key = database && config.sanitizeKey(database);
  if (database?.sanitize === undefined || key === undefined || key === "")
    throw new NightjarError("SANITIZE_RULES", `The database ${name} has no rules of \`sanitize\`.`);
  return { rules: database.sanitize, key };
}

/**
 * Find what is given in place of a database's values, where a choice wants that; undefined where it does not.
 *
 * @throws NightjarError as `planMasks`; `SANITIZE_RULES`, `DATABASE_MISCONFIGURED`
 */
export async function masksFor(
  context: Context,
  stored: Stored,
  image: Image,
  { sanitize, only }: { readonly sanitize?: boolean; readonly only?: Choice["only"] },
): Promise<MaskPlan | undefined> {
  if (sanitize !== true) return undefined;
  const { rules, key } = await sanitizerOf(context, databaseOf(stored));
  if (only !== "schema") return planMasks(image, rules, key);
  // Without rows there is no need to choose any.
  const { subset: _, ...others } = rules;
  return planMasks(image, others, key);
}

function databaseOf(stored: Stored): string {
  return "manifest" in stored ? stored.manifest.database : stored.moment.database;
}

/** Name the rules and the key, so that downloads by others have other tags. It tells nothing of either. */
export async function sanitizeTag(context: Context, name: string): Promise<string> {
  const { rules, key } = await sanitizerOf(context, name);
  const tables = [...rules.tables].map(([table, of]) => [table, of === "drop" ? of : [...of]]);
  const words = JSON.stringify([rules.keepUnknown, tables, rules.subset]);
  return createHmac("sha256", key).update(`tag\0${words}`).digest("hex").slice(0, 16);
}
