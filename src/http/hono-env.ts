import type { Caller } from "../model/actor.ts";
import type { Action, Detail } from "../model/audit.ts";
import type { Context } from "../worker/context.ts";

/** What the audit will say of a request. */
export interface Recording {
  readonly by: Caller;
  readonly action: Action | undefined;
  readonly database: string | undefined;
  readonly subject: string | undefined;
  readonly detail?: Detail;
  /** True if the handler has recorded it by itself. */
  readonly recorded: boolean;
}

/** Hono's own types for our app: what it calls `c.env` is our Context, made by `index.ts`. */
export interface HttpEnv {
  Bindings: Context;
  Variables: {
    /** Set on every route under `/v1`. */
    caller: Caller;
    recording: Recording;
  };
}
