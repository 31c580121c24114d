import type { BackupAnswer } from "../../http/views.ts";
import { type Format, isOfOneTable } from "../../plan/formats.ts";
import { Layout } from "../layout.tsx";
import { timeOf, When, Word } from "../parts/words.tsx";
import { sizeOf } from "../size.ts";
import { type May, ProofWord } from "./database.tsx";

interface BackupPageOf {
  readonly who: string;
  readonly backup: BackupAnswer;
  readonly tables: readonly { name: string; rows: number | null }[];
  readonly proofs: readonly {
    act: string;
    outcome: string;
    finishedAt: string;
    checks: readonly { name: string; ok: boolean; detail: string }[];
  }[];
  /** Names of the databases that it can be restored to. */
  readonly targets: readonly string[];
  readonly may: May;
  readonly done: string | undefined;
  readonly now: number;
}

/** One backup: what it holds, what was proven of it, and what can be done with it. */
export function BackupPage(props: BackupPageOf) {
  const { who, backup, tables, proofs, may, done, now } = props;
  const { id, database, tier, name, labels, pin, kind, warnings, knownBad } = backup;
  return (
    <Layout title={`Backup of ${database}`} who={who}>
      <h1>
        Backup of <a href={`/databases/${database}`}>{database}</a>, {timeOf(backup.takenAt)}
      </h1>
      {done !== undefined && (
        <p class="note good" role="status">
          {done}
        </p>
      )}
      <p>
        <ProofWord backup={backup} /> <code>{id}</code>
      </p>
      {knownBad?.problem != null && <p class="note bad">{knownBad.problem.message}</p>}
      {warnings.map(({ code, where, message }) => (
        <p class="note">
          {code === "TURSO_ONLY"
            ? `Only Turso's engine opens this database, SQLite does not: it has ${where} (${message}).`
            : message}
        </p>
      ))}
      <dl class="facts">
        <div>
          <dt>Taken</dt>
          <dd>
            <When at={backup.takenAt} now={now} />
            {backup.confirmed !== null && (
              <small>
                Nothing had changed as of <When at={backup.confirmed.at} now={now} />: it stands for
                {` ${backup.confirmed.times} more that were due.`}
              </small>
            )}
          </dd>
        </div>
        <div>
          <dt>Tier</dt>
          <dd>
            {tier}
            {pin !== null && <small>{`pinned by ${pin.by}: ${pin.reason}`}</small>}
          </dd>
        </div>
        <div>
          <dt>Name and labels</dt>
          <dd>
            {name ?? "none"}
            <small>
              {Object.entries(labels)
                .map(([key, value]) => `${key}=${value}`)
                .join(", ")}
            </small>
          </dd>
        </div>
        <div>
          <dt>Size</dt>
          <dd>
            {sizeOf(backup.raw.bytes)}
            <small>{`${kind}, stored as ${sizeOf(backup.stored.bytes)}`}</small>
          </dd>
        </div>
        <div>
          <dt>Migration</dt>
          <dd>{backup.schema.migration?.name ?? "none"}</dd>
        </div>
        <div>
          <dt>SHA-256</dt>
          <dd>
            <code>{backup.raw.sha256}</code>
          </dd>
        </div>
      </dl>

      <Actions {...props} />

      <h2>Proofs</h2>
      {proofs.length === 0 && <p class="soft">There are none.</p>}
      {proofs.map(({ act, outcome, finishedAt, checks }) => (
        <details>
          <summary>
            <Word tone={outcome === "verified" || outcome === "passed" ? "good" : "bad"}>
              {`${act} ${outcome}`}
            </Word>{" "}
            {timeOf(finishedAt)}
          </summary>
          <ul>
            {checks.map((check) => (
              <li>
                {check.ok ? "✓" : "✗"} {check.name}: {check.detail}
              </li>
            ))}
          </ul>
        </details>
      ))}
      {may.backup && (
        <>
          <form class="line" method="post" action={`/backups/${id}/verify`}>
            <button>Verify now</button>
          </form>
          <form class="line" method="post" action={`/backups/${id}/drill`}>
            <button>Drill now</button>
          </form>
        </>
      )}

      <h2>Tables</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Table</th>
            <th scope="col" class="number">
              Rows
            </th>
          </tr>
        </thead>
        <tbody>
          {tables.slice(0, 200).map((table) => (
            <tr>
              <td>{table.name}</td>
              <td class="number">{table.rows === null ? "virtual" : String(table.rows)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {tables.length > 200 && <p class="soft">{`and ${tables.length - 200} more`}</p>}
    </Layout>
  );
}

/** Of some formats a file has one table, which nobody chooses here. */
const isWhole = (format: Format): boolean => !isOfOneTable(format);

function Actions({ backup, may, targets }: BackupPageOf) {
  const { id, database, formats, pin } = backup;
  return (
    <>
      {may.download && (
        <form method="post" action={`/backups/${id}/download`}>
          <label>
            Download as{" "}
            <select name="format">
              {formats.filter(isWhole).map((format) => (
                <option value={format}>{format}</option>
              ))}
            </select>
          </label>
          <button>Download</button>
        </form>
      )}
      {may.backup && pin === null && (
        <form method="post" action={`/backups/${id}/pin`}>
          <label>
            Keep it, because <input name="reason" required maxlength={200} size={24} />
          </label>
          <button>Pin</button>
        </form>
      )}
      {may.admin && pin?.by === "user" && (
        <form method="post" action={`/backups/${id}/unpin`}>
          <button>Unpin</button>
        </form>
      )}
      {may.restore && targets.length > 0 && (
        <form method="post" action={`/backups/${id}/restore`}>
          <fieldset>
            <legend>Restore</legend>
            <label>
              To{" "}
              <select name="target">
                {targets.map((target) => (
                  <option value={target} selected={target === database}>
                    {target}
                  </option>
                ))}
              </select>
            </label>
            <label>
              <input type="checkbox" name="overwrite" value="yes" /> Overwrite what is there
            </label>
            <button>Show what would be done</button>
            <p class="soft">
              Nothing is changed yet. To restore to a file, or to a database that is not configured,
              use <code>{`nightjar restore ${database} --backup ${id}`}</code>.
            </p>
          </fieldset>
        </form>
      )}
    </>
  );
}
