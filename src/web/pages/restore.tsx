import { raw } from "hono/html";
import { Layout } from "../layout.tsx";

interface RestorePageOf {
  readonly who: string;
  readonly backup: string;
  readonly database: string;
  readonly target: string;
  readonly overwrite: boolean;
  /** What would be done, a fact each. */
  readonly plan: readonly (readonly [string, string])[];
}

/** What a restore would do, and the confirmation that it needs: the target's name, typed. */
export function RestorePage({ who, backup, database, target, overwrite, plan }: RestorePageOf) {
  return (
    <Layout title={`Restore ${database}`} who={who}>
      <h1>{`Restore ${database} to ${target}`}</h1>
      <p>Nothing has been changed yet. This is what would be done:</p>
      <dl class="facts">
        {plan.map(([name, value]) => (
          <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {overwrite && (
        <p class="note bad">
          What is in {target} now is replaced. It is backed up first, unless the plan says
          otherwise.
        </p>
      )}
      <form method="post" action={`/backups/${backup}/restore`}>
        <input type="hidden" name="target" value={target} />
        {overwrite && <input type="hidden" name="overwrite" value="yes" />}
        <label>
          To confirm, type the name of the target:{" "}
          <input name="confirm" required autocomplete="off" pattern={target} title={target} />
        </label>
        <button class="bad">Restore now</button>
      </form>
      <p>
        <a href={`/backups/${backup}`}>Back to the backup</a>
      </p>
    </Layout>
  );
}

interface RestoringOf {
  readonly who: string;
  readonly backup: string;
  readonly target: string;
}

/** A restore under way: the lines of its progress come where `<!--lines-->` is. */
export function RestoringPage({ who, backup, target }: RestoringOf) {
  return (
    <Layout title={`Restoring to ${target}`} who={who}>
      <h1>{`Restoring to ${target}`}</h1>
      <p>
        Keep this page open until the last line says that it is done: closing it stops the restore.
      </p>
      <ol role="log">{raw("<!--lines-->")}</ol>
      <p>
        <a href={`/backups/${backup}`}>Back to the backup</a>
      </p>
    </Layout>
  );
}

/** A line of a restore's progress, as markup. */
export function ProgressLine(text: string): string {
  return `${(<li>{text}</li>).toString()}\n`;
}
