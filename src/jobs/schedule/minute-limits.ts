import { MINUTE } from "../../plan/duration.ts";

/** Databases that one minute takes at most of what is due: it must do with a Worker's time and requests. */
export const TAKEN = 250;
/** Time after which a database is due again whose minute was cut off, ms. */
export const RETAKEN = 5 * MINUTE;
/** Databases that one minute watches at most. All of fewer are watched every minute. */
export const WATCHED = 100;
