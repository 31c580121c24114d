import { dollars } from "../plan/cost/dollars.ts";
import { bodyOf, type Client } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import { printAside, printJson, printTable } from "./output.ts";

/** Show what each database, or one of them, costs in a month. */
export async function showCost(
  client: Client,
  only: string | undefined,
  asJson: boolean,
): Promise<void> {
  const { databases, pricesAsOf } = await bodyOf(client.v1.cost.$get());
  const shown = databases.filter(({ database }) => only === undefined || database === only);
  if (shown.length === 0 && only !== undefined)
    throw new CliError(EXIT.refused, `Nothing is stored of ${only}, and it is not configured.`, {
      code: "DATABASE_NOT_FOUND",
    });
  const total = shown.reduce((sum, one) => sum + one.total, 0);
  if (asJson) return printJson({ pricesAsOf, currency: "USD", total, databases: shown });
  const sum = (parts: Readonly<Record<string, number>>) =>
    Object.values(parts).reduce((all, part) => all + part, 0);
  printTable([
    ["database", "storage", "operations", "compute", "source", "a month"],
    ...shown.map(({ database, storage, operations, compute, source, total: all }) => [
      database,
      ...[sum(storage), operations, compute, source, all].map(dollars),
    ]),
    ["all", "", "", "", "", dollars(total)],
  ]);
  printAside(
    `Estimated from the last 30 days, by list prices of ${pricesAsOf}, without what a plan includes. Workers Paid costs $5 a month beside it.`,
  );
}
