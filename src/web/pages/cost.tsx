import { dollars } from "../../plan/cost/dollars.ts";
import { ListPage } from "./lists.tsx";

interface CostPageOf {
  readonly who: string;
  readonly databases: readonly {
    readonly database: string;
    readonly storage: Readonly<Record<string, number>>;
    readonly operations: number;
    readonly compute: number;
    readonly source: number;
    readonly total: number;
  }[];
  readonly total: number;
  readonly pricesAsOf: string;
}

/** What each database costs in a month. */
export function CostPage({ who, databases, total, pricesAsOf }: CostPageOf) {
  const sum = (parts: Readonly<Record<string, number>>) =>
    Object.values(parts).reduce((all, part) => all + part, 0);
  return (
    <ListPage
      who={who}
      place="Cost"
      title="Cost"
      head={["Database", "Storage", "Operations", "Compute", "Source", "A month"]}
      rows={databases
        .toSorted((a, b) => b.total - a.total)
        .map(({ database, storage, operations, compute, source, ...one }) => [
          <a href={`/databases/${database}`}>{database}</a>,
          <span title={tiersOf(storage)}>{dollars(sum(storage))}</span>,
          ...[operations, compute, source, one.total].map(dollars),
        ])}
      empty="Nothing is stored yet."
    >
      <p>
        <strong>{dollars(total)}</strong> a month, beside the Workers Paid plan.
      </p>
      <p class="soft">
        Estimated from the last 30 days, by list prices of {pricesAsOf}, without what a plan
        includes.
      </p>
    </ListPage>
  );
}

function tiersOf(storage: Readonly<Record<string, number>>): string {
  return Object.entries(storage)
    .map(([tier, cost]) => `${tier} ${dollars(cost)}`)
    .join(", ");
}
