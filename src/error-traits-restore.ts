import type { Trait } from "./error-traits.ts";

/** What can go wrong while a backup is restored into a server. */
export const RESTORE_TRAITS = {
  TARGET_UNREACHABLE: {
    status: 424,
    retryable: true,
    hint: "Check the target's address and that its server is up, then run the restore again.",
  },
  TARGET_UNAUTHORIZED: {
    status: 424,
    retryable: false,
    hint: "The target refused the token: give one that may write.",
  },
  TARGET_NOT_FOUND: {
    status: 424,
    retryable: false,
    hint: "The target has no such database, or is no libSQL server: check its address and its namespace.",
  },
  TARGET_REFUSED: {
    status: 424,
    retryable: false,
    hint: "The target's server refused a statement: the message has its words.",
  },
  TARGET_FAILED: {
    status: 424,
    retryable: true,
    hint: "The target's server failed, or the connection to it broke: see that it is up, then run the restore again.",
  },
  TARGET_NOT_EMPTY: {
    status: 409,
    retryable: false,
    hint: "Restore into an empty database. Only one that is configured in Nightjar can be overwritten, as it is backed up first: `--to-database <name> --overwrite`.",
  },
  TARGET_IS_SOURCE: {
    status: 409,
    retryable: false,
    hint: "Restore into another database and point your application there; or replace this one with `--to-database <name> --overwrite`, which backs it up first.",
  },
  TARGET_UNFIT: {
    status: 422,
    retryable: false,
    hint: "Mend in the target what the message names, or restore the whole database into an empty one.",
  },
  OVERWRITE_REFUSED: {
    status: 422,
    retryable: false,
    hint: "Nightjar overwrites only what it can back up first: configure the target as a database (docs/configuration.md) and name it with `--to-database`.",
  },
  OVERWRITE_UNSAVED: {
    status: 424,
    retryable: false,
    hint: "The backup that overwriting takes first has failed, so that nothing was changed: see the run with `nightjar status`.",
  },
  RESTORE_UNAVAILABLE: {
    status: 422,
    retryable: false,
    hint: "Ask for what the backup holds: GET /v1/backups/:id lists its tables.",
  },
  RESTORE_INCOMPLETE: {
    status: 424,
    retryable: true,
    hint: "Run the same restore again: it wipes what was written and starts anew.",
  },
  RESTORE_SUPERSEDED: {
    status: 409,
    retryable: false,
    hint: "The target is the other restore's now: wait for its end, and look at what it restored.",
  },
  RESTORE_UNKNOWN: {
    status: 424,
    retryable: true,
    hint: "Run the same restore again: a target that is still marked is wiped and restored anew, and a complete one is refused as not empty.",
  },
  RESTORE_UNVERIFIED: {
    status: 424,
    retryable: false,
    hint: "All of it was written and committed: compare the target with the backup yourself, or restore into another empty database.",
  },
  RESTORE_DIFFERS: {
    status: 424,
    retryable: false,
    hint: "Do not use the target: see that nothing else writes to it, then restore into an empty database again.",
  },
} as const satisfies Record<string, Trait>;
