import type { Context } from "../worker/context.ts";

/** Hono's own types for our app: what it calls `c.env` is our Context, made by `index.ts`. */
export interface HttpEnv {
  Bindings: Context;
}
