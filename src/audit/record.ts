import { appendAudit, auditEnd } from "../catalog/access/audit.ts";
import { randomId } from "../core/deps.ts";
import { log } from "../core/log.ts";
import { asNightjarError, NightjarError } from "../errors/errors.ts";
import type { Act, AuditRow } from "../model/audit.ts";
import type { Context } from "../worker/context.ts";
import { hashOf, macOfEnd } from "./chain.ts";

/** Tries of one row: each loses only to another row that was appended meanwhile. */
const TRIES = 100;
/** Longest pause between two tries, ms. */
const PAUSE = 50;

/** Characters of a text of a row at most: names and ids come from outside. */
const LONGEST = 200;

/**
 * Append an act to the audit. Two rows that are appended at once take their turns.
 *
 * @throws NightjarError `CATALOG_FAILED`: the act is then not recorded
 */
export async function record(context: Context, act: Act): Promise<void> {
  const { catalog, config, deps } = context;
  const { by, action, outcome, database = null, subject, detail = {} } = act;
  for (let tries = 1; ; tries++) {
    const end = await auditEnd(catalog);
    const chain = end?.chain ?? randomId(deps);
    const row: Omit<AuditRow, "hash"> = {
      seq: (end?.seq ?? 0) + 1,
      at: deps.now(),
      actor: by.id,
      actorName: by.name.slice(0, LONGEST),
      action,
      outcome,
      database: database?.slice(0, LONGEST) ?? null,
      subject: subject?.slice(0, LONGEST) ?? null,
      detail: JSON.stringify(detail),
      previous: end?.hash ?? chain,
    };
    const hash = hashOf(row);
    const next = { chain, seq: row.seq, hash };
    try {
      return await appendAudit(
        catalog,
        { ...row, hash },
        { ...next, mac: macOfEnd(next, config.signingKey) },
      );
    } catch (thrown) {
      if (asNightjarError(thrown).code !== "CATALOG_CONFLICT") throw thrown;
      if (tries === TRIES)
        throw new NightjarError("CATALOG_FAILED", `The audit took no row in ${TRIES} tries.`, {
          hint: "Look at it with `nightjar audit --verify`: docs/access.md.",
          cause: thrown,
        });
      await deps.sleep((PAUSE * deps.randomBytes(1)[0]!) / 256);
    }
  }
}

/**
 * Append what Nightjar itself has done. A backup does not fail because it could not be recorded; the log
 * tells then what is missing.
 */
export async function recordOrLog(context: Context, act: Act): Promise<void> {
  try {
    await record(context, act);
  } catch (thrown) {
    const { action, outcome, database, subject } = act;
    log.error("act-not-recorded", thrown, { action, outcome, database, subject });
  }
}
