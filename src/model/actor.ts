import type { Rights } from "../plan/access.ts";

/** Who does something. */
export interface Actor {
  /** `root`, `token:<id>`, `access:<address>`, `link:<id>`, `nightjar` or `anonymous`. */
  readonly id: string;
  /** For people. */
  readonly name: string;
}

/** Somebody who has shown a token. */
export interface Caller extends Actor {
  readonly rights: Rights;
}

/** The holder of ADMIN_TOKEN. */
export const ROOT: Caller = {
  id: "root",
  name: "ADMIN_TOKEN",
  rights: { scopes: ["admin"], databases: undefined },
};

/** Nightjar itself: the cron and the jobs that it starts. */
export const NIGHTJAR: Actor = { id: "nightjar", name: "Nightjar" };

/** Somebody who has shown nothing that is valid. */
export const ANONYMOUS: Actor = { id: "anonymous", name: "nobody known" };
