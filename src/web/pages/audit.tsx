import { Choice } from "../parts/choice.tsx";
import { timeOf, type Tone, Word } from "../parts/words.tsx";
import { ListPage } from "./lists.tsx";

const TONES: Readonly<Record<string, Tone>> = {
  done: "good",
  failed: "bad",
  denied: "warn",
  started: "idle",
};

interface AuditPageOf {
  readonly who: string;
  readonly rows: readonly {
    readonly seq: number;
    readonly at: string;
    readonly actorName: string;
    readonly action: string;
    readonly outcome: string;
    readonly database: string | null;
    readonly subject: string | null;
  }[];
  /** What each field of the filter holds, and its choices. */
  readonly filters: Readonly<Record<"database" | "action" | "outcome", string>>;
  readonly actions: readonly string[];
  readonly outcomes: readonly string[];
  readonly next: string | undefined;
}

/** Who did what. */
export function AuditPage({ who, rows, filters, actions, outcomes, next }: AuditPageOf) {
  return (
    <ListPage
      who={who}
      place="Audit"
      title="Audit"
      head={["Row", "When", "Who", "What", "Outcome", "Database", "Of"]}
      rows={rows.map(({ seq, at, actorName, action, outcome, database, subject }) => [
        ...[String(seq), <time datetime={at}>{timeOf(at)}</time>, actorName, action],
        <Word tone={TONES[outcome] ?? "idle"}>{outcome}</Word>,
        ...[database ?? "", subject ?? ""],
      ])}
      empty="The audit has no such row."
      next={next}
    >
      <form method="get" action="/audit">
        <label>
          Database <input name="database" value={filters.database} size={12} />
        </label>
        <Choice name="action" label="What" value={filters.action} choices={actions} />
        <Choice name="outcome" label="Outcome" value={filters.outcome} choices={outcomes} />
        <button>Filter</button>
      </form>
      <p class="soft">
        Whether anybody has changed a row is found out by <code>nightjar audit --verify</code>.
      </p>
    </ListPage>
  );
}
