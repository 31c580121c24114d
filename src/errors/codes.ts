/**
 * Every error that Nightjar reports has a stable code. The code decides the HTTP status, whether
 * trying again can help, and the hint that tells the reader what to do next.
 */
export interface Trait {
  readonly status: number;
  readonly retryable: boolean;
  readonly hint: string;
}

export const TRAITS = {
  CONFIG_INVALID: {
    status: 500,
    retryable: false,
    hint: "Fix the named keys in wrangler.toml (or the DATABASES variable) and deploy again.",
  },
  UNAUTHORIZED: {
    status: 401,
    retryable: false,
    hint: "Send `Authorization: Bearer <token>`: ADMIN_TOKEN, or a token of `nightjar token create`.",
  },
  ACCESS_UNREACHABLE: {
    status: 502,
    retryable: true,
    hint: "Try again in a minute. Is `team` of ACCESS the name of your Zero Trust team? Meanwhile the API takes tokens.",
  },
  FORBIDDEN: {
    status: 403,
    retryable: false,
    hint: "Use a token that has this scope and reaches all that it concerns: `nightjar token create` makes one.",
  },
  TOO_MANY_ATTEMPTS: {
    status: 429,
    retryable: true,
    hint: "Wait a minute, then send a valid token or open a valid link.",
  },
  REQUEST_INVALID: {
    status: 400,
    retryable: false,
    hint: "Fix the named fields and send the request again.",
  },
  NOT_FOUND: { status: 404, retryable: false, hint: "Check the address." },
  DATABASE_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "`nightjar status` or GET /v1/databases lists the databases, and those that were removed from the configuration but have backups.",
  },
  BACKUP_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "GET /v1/databases/:db/backups lists the backups that exist; `latest`, `latest-verified` and `latest-drilled` are names under that path only.",
  },
  BACKUP_KNOWN_BAD: {
    status: 409,
    retryable: false,
    hint: "Name another backup by its id: GET /v1/databases/:db/backups lists them.",
  },
  DATABASE_MISCONFIGURED: {
    status: 409,
    retryable: false,
    hint: "Fix the named keys or secrets, and deploy again. Until then nothing of this database is deleted, and all others go on.",
  },
  DATABASE_NOT_CONFIGURED: {
    status: 409,
    retryable: false,
    hint: "Its backups can still be listed, downloaded and restored. Add the database to DATABASES under this name to back it up again.",
  },
  PIN_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "`pin` of GET /v1/backups/:id tells who holds it; the policy's own pins end by themselves.",
  },
  IDEMPOTENCY_CONFLICT: {
    status: 409,
    retryable: false,
    hint: "Use a new Idempotency-Key for a new request; look with `nightjar status` or `nightjar audit` at what the first one did.",
  },
  IDEMPOTENCY_PENDING: {
    status: 409,
    retryable: true,
    hint: "Send the same request again in a while: it is carried out once, and you get its answer.",
  },
  APPROVAL_REQUIRED: {
    status: 409,
    retryable: false,
    hint: "Somebody else grants it with `nightjar approval grant <id>`. Then send the same request again; the command line waits, and does so by itself.",
  },
  APPROVAL_INVALID: {
    status: 409,
    retryable: false,
    hint: "`nightjar approval list` shows what waits and what was decided.",
  },
  APPROVAL_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "`nightjar approval list` shows the approvals with their ids.",
  },
  TOKEN_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "`nightjar token list` lists the tokens with their ids and states.",
  },
  RUN_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "GET /v1/databases/:db shows the newest run.",
  },
  FORMAT_UNAVAILABLE: {
    status: 422,
    retryable: false,
    hint: "Ask for one of the formats that the message names.",
  },
  TURSO_ONLY: {
    status: 422,
    retryable: false,
    hint: "Download the database file (`db` or `db.zst`) and open it with `tursodb`, with the `--experimental-…` flags of the features that the message names: docs/turso.md.",
  },
  SCHEMA_UNSAFE: {
    status: 422,
    retryable: false,
    hint: "The database file itself can still be downloaded (`db` or `db.zst`): open it with `sqlite3 -safe`, drop the object that the message names, and back the database up again.",
  },
  LINK_INVALID: {
    status: 403,
    retryable: false,
    hint: "Ask whoever gave you the link for a new one: `nightjar url` makes it.",
  },
  SOURCE_UNREACHABLE: {
    status: 502,
    retryable: true,
    hint: "Check that the database's `url` is right and that its server is up.",
  },
  SOURCE_UNAUTHORIZED: {
    status: 502,
    retryable: false,
    hint: "The server refused the token: store a valid one with `npx wrangler secret put`.",
  },
  SOURCE_NOT_FOUND: {
    status: 502,
    retryable: false,
    hint: "The server has no such database, or no /dump: check `url` and `namespace`.",
  },
  SOURCE_ERROR: {
    status: 502,
    retryable: true,
    hint: "The database server answered with an error: look at its log.",
  },
  SOURCE_STALLED: {
    status: 504,
    retryable: true,
    hint: "The server stopped sending: look at its load, or raise the database's `stall`.",
  },
  SOURCE_CUT: {
    status: 502,
    retryable: true,
    hint: "The connection broke, or the server gave up in the middle of the dump: look at its log. Names with a double quote and text that is not UTF-8 make sqld's dump fail.",
  },
  DUMP_INVALID: {
    status: 502,
    retryable: true,
    hint: "The server's answer is not a libSQL dump: see that `url` names the database server and not a web page or a proxy.",
  },
  DUMP_INCOMPLETE: {
    status: 502,
    retryable: true,
    hint: "The dump ended before its COMMIT; nothing was kept. Run the backup again.",
  },
  DUMP_UNRESTORABLE: {
    status: 502,
    retryable: false,
    hint: "Create the named index, view or trigger again without the comment at its end, then run the backup again.",
  },
  DUMP_UNSAFE: {
    status: 502,
    retryable: false,
    hint: 'The dump holds what could do harm where it is loaded; nothing of it was given or kept. Set the database\'s `capture` to "pages", or look at the named object on the server: drop it, or create it again without quotes and comments.',
  },
  PAGES_INVALID: {
    status: 502,
    retryable: true,
    hint: "The server's pages do not fit together; nothing was kept. Run the backup again, and look at the server's log if this goes on.",
  },
  PAGES_INCOMPLETE: {
    status: 502,
    retryable: false,
    hint: 'The server gives only some of its pages by this protocol; nothing was kept. With `capture` "auto" the rows are read by SQL where that is offered.',
  },
  SOURCE_DIFFERS: {
    status: 502,
    retryable: true,
    hint: "Nothing was kept, and the next backup reads the whole database. If this goes on, something between the server and Nightjar changes what passes, or the server is damaged: compare with a dump of it.",
  },
  SOURCE_MVCC: {
    status: 502,
    retryable: false,
    hint: 'Set `capture` of the database to "auto" or "rows" (and remove `follow`): then its rows are read by SQL.',
  },
  SOURCE_ENCRYPTED: {
    status: 502,
    retryable: false,
    hint: 'Set `capture` of the database to "auto" or "rows" (and remove `follow`): a server that answers SQL without the key is read by its rows. One that wants the key is given it by `encryptionKey`.',
  },
  ROWS_INVALID: {
    status: 502,
    retryable: true,
    hint: "The server's rows do not fit together; nothing was kept. Run the backup again, and look at the server's log if this goes on.",
  },
  ROWS_UNAVAILABLE: {
    status: 502,
    retryable: false,
    hint: 'The rows of this database cannot be read by SQL; nothing was kept. Set `capture` of the database to "auto" or "dump", or change what the message names.',
  },
  SCHEMA_CHANGED: {
    status: 502,
    retryable: true,
    hint: "The schema was changed each time between two looks at it. Run the backup again when the migration is done.",
  },
  PAGES_UNAVAILABLE: {
    status: 502,
    retryable: false,
    hint: 'The server offers its pages in no way that Nightjar knows: set the database\'s `capture` to "auto", "rows" or "dump", and remove `follow`.',
  },
  SCHEMA_TOO_LARGE: {
    status: 422,
    retryable: false,
    hint: "Nothing was kept. Spread the tables over several databases, or drop those that nobody uses: about 15,000 tables can be backed up.",
  },
  DIFF_TABLE_UNKNOWN: {
    status: 404,
    retryable: false,
    hint: "A diff without `tables` lists the tables that differ. Tables of a virtual table are named by it.",
  },
  TABLE_UNKNOWN: {
    status: 404,
    retryable: false,
    hint: "Check the name. The tables that hold what a virtual table shows have rows; it has none of its own.",
  },
  MOMENT_UNAVAILABLE: {
    status: 422,
    retryable: false,
    hint: "GET /v1/databases/:db/timeline or `nightjar timeline` tells which moments can be asked for.",
  },
  QUERY_REFUSED: {
    status: 400,
    retryable: false,
    hint: "Only one SELECT, EXPLAIN or reading PRAGMA statement may be run on a backup.",
  },
  QUERY_FAILED: {
    status: 422,
    retryable: false,
    hint: "The message is SQLite's own: fix the SQL.",
  },
  QUERY_LIMIT: {
    status: 422,
    retryable: false,
    hint: "Ask for less (a WHERE, a LIMIT, fewer columns), or download the database and query it there.",
  },
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
    hint: "Fix in the target what the message names, or restore the whole database into an empty one.",
  },
  ROWS_TOO_MANY: {
    status: 422,
    retryable: false,
    hint: "Choose fewer rows with `where`, and restore them part by part; or restore the table with `tables` into an empty database.",
  },
  ROWS_REFUSED: {
    status: 409,
    retryable: false,
    hint: "Change in the target what the message names, or choose other rows with `where`.",
  },
  PARENTS_MISSING: {
    status: 409,
    retryable: false,
    hint: "`withParents` restores the missing rows too, from the same state.",
  },
  TARGET_CHANGED: {
    status: 409,
    retryable: false,
    hint: "Nothing was written. Look at what would change now (a dry run), and send it again.",
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
  STORE_FAILED: {
    status: 502,
    retryable: true,
    hint: "R2 did not do what it was asked: see Cloudflare's status, then run the backup again.",
  },
  STORE_CONFLICT: {
    status: 409,
    retryable: false,
    hint: "An object with this key exists already and is never overwritten: run the backup again.",
  },
  STORE_LOCKED: {
    status: 409,
    retryable: false,
    hint: "A lock rule of the bucket refuses it until its time is over; what is left is removed then.",
  },
  OBJECT_MISSING: {
    status: 502,
    retryable: false,
    hint: "The catalog lists a backup whose bytes are gone from the bucket: choose another backup.",
  },
  OBJECT_CORRUPT: {
    status: 502,
    retryable: false,
    hint: "The stored bytes are not those that were written: choose another backup.",
  },
  OBJECT_UNSIGNED: {
    status: 502,
    retryable: false,
    hint: "If an older Nightjar wrote it, or SIGNING_KEY was changed or lost since: `nightjar rebuild --accept-unsigned` takes it as it is. If you do not know who wrote it, look at it first: docs/runbook.md.",
  },
  COPY_UNAVAILABLE: {
    status: 422,
    retryable: false,
    hint: "docs/second-copy.md tells how to have a second copy, and which backups are copied.",
  },
  COPY_UNREACHABLE: {
    status: 502,
    retryable: true,
    hint: "The store of the second copy did not answer, or not in full: check COPY.endpoint and the store's status, then run `nightjar copy`.",
  },
  COPY_REFUSED: {
    status: 502,
    retryable: false,
    hint: "Check COPY.endpoint and COPY.region: the store of the second copy says that the request is wrong.",
  },
  COPY_DIFFERS: {
    status: 502,
    retryable: false,
    hint: "The store of the second copy holds other bytes than the backup. Nothing there is ever overwritten: look at the object, delete it there, and run `nightjar copy`.",
  },
  REFRESH_UNAVAILABLE: {
    status: 409,
    retryable: false,
    hint: "Give the database a table `refresh`, or fix the one that it has: docs/refresh.md. `nightjar alert list` names the mistake.",
  },
  REFRESH_LOST: {
    status: 500,
    retryable: true,
    hint: "The refresh's Workflow ended without a word: start it again with `nightjar refresh <database>`.",
  },
  SANITIZE_RULES: {
    status: 422,
    retryable: false,
    hint: "Give every column a rule in `sanitize` of the database in wrangler.toml, and deploy: docs/sanitize.md has the rules.",
  },
  SANITIZE_UNSAFE: {
    status: 422,
    retryable: false,
    hint: "Take it out of the schema with a migration, keep the column, or drop the table in the rules: docs/sanitize.md.",
  },
  SANITIZE_SUBSET: {
    status: 422,
    retryable: false,
    hint: "Change `subset` in `sanitize` of the database in wrangler.toml, and deploy: docs/sanitize.md#a-subset-of-the-rows.",
  },
  SANITIZE_REQUIRED: {
    status: 403,
    retryable: false,
    hint: "Ask for it with `sanitize` (`nightjar pull --sanitize`), or use a token with the scope download:raw.",
  },
  ERASURE_APPLIES: {
    status: 422,
    retryable: false,
    hint: "Ask for sql or libsql.sql, from which the rows are left out; `nightjar pull` makes the file from it by itself.",
  },
  ERASURE_UNKNOWN: {
    status: 422,
    retryable: false,
    hint: "Nothing was added. Correct the name; for a table that only older backups have, use `--force` (`force: true`).",
  },
  ERASURE_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "`nightjar erasures <database>` lists the entries with their ids.",
  },
  ERASURE_FAILED: {
    status: 422,
    retryable: false,
    hint: "Nothing was given. Choose another backup; or withdraw the entries (`nightjar erasures`), restore, and delete the rows by hand.",
  },
  ENCRYPTION_MISSING: {
    status: 500,
    retryable: false,
    hint: "Its bytes were removed. Run the backup again: it is encrypted as the configuration says now.",
  },
  BACKUP_ENCRYPTED: {
    status: 422,
    retryable: false,
    hint: "Only who holds an identity can read it: `nightjar pull` or `restore --to <file>` with `--identity <file>`, or `age -d` on what is stored.",
  },
  IDENTITY_UNFIT: {
    status: 422,
    retryable: false,
    hint: "Use an identity of one of the backup's `encryption.recipients`.",
  },
  DRILL_FAILED: {
    status: 502,
    retryable: false,
    hint: "The backup does not restore to what was captured: make another one, and keep the last one whose drill passed.",
  },
  DRILL_IMPOSSIBLE: {
    status: 422,
    retryable: false,
    hint: "A Worker cannot rehearse this restore: rehearse it on a machine, as docs/runbook.md shows.",
  },
  LOG_DAMAGED: {
    status: 502,
    retryable: true,
    hint: "The page log ends there, and the next attempt reads the whole database anew; moments before the damage may still be restored.",
  },
  BUSY: {
    status: 503,
    retryable: true,
    hint: "Try again in a quarter of a minute: backups, proofs, queries and downloads share the 128 MB of a Worker.",
  },
  CATALOG_FAILED: {
    status: 503,
    retryable: true,
    hint: "D1 did not answer, or lacks its tables: `npx wrangler d1 migrations apply DB --remote` (`--local` for wrangler dev).",
  },
  CATALOG_CONFLICT: {
    status: 409,
    retryable: false,
    hint: "The catalog has another row with the same id, or cannot hold this one: compare the two with `nightjar list`.",
  },
  CHANNEL_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "`nightjar alert channels` lists the channels.",
  },
  INCIDENT_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "`nightjar alert list` lists the incidents.",
  },
  ALERT_UNREACHABLE: {
    status: 502,
    retryable: true,
    hint: "The message is tried again for three days. Check the address in the channel's secret, then `nightjar alert test`.",
  },
  ALERT_REFUSED: {
    status: 502,
    retryable: true,
    hint: "The message is tried again for three days. Check the channel's secrets, then `nightjar alert test`.",
  },
  TURSO_NOT_CONFIGURED: {
    status: 409,
    retryable: false,
    hint: "Name your organization and the secret of a platform token in TURSO, and deploy again: docs/configuration.md.",
  },
  PLATFORM_UNAUTHORIZED: {
    status: 502,
    retryable: false,
    hint: "Make a token with `turso auth api-tokens mint nightjar --org <organization> --group <group> --scope read --scope db:mint-token`, and put it in the secret that `token` of TURSO names.",
  },
  PLATFORM_UNREACHABLE: {
    status: 502,
    retryable: true,
    hint: "It is tried again. See Turso's status if it stays so.",
  },
  PLATFORM_INVALID: {
    status: 502,
    retryable: false,
    hint: "Check `organization`, `groups` and `api` of TURSO. If they are right, the service may have changed: name the database in DATABASES, and report this.",
  },
  RUN_LOST: {
    status: 500,
    retryable: true,
    hint: "The run's Workflow ended without a word: run the backup again.",
  },
  INTERNAL: {
    status: 500,
    retryable: true,
    hint: "This is a fault in Nightjar: please report it with the log of this moment.",
  },
} as const satisfies Record<string, Trait>;
