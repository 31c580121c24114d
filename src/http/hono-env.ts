import type { Context } from "../context.ts";

/** Hono's own types for our app: what it calls `c.env` is our Context, made by `index.ts`. */
export interface HttpEnv {
  Bindings: Context;
}
