import { expect, it } from "vitest";
import { openLineage } from "../../../src/catalog/lineages.ts";
import { recordMethod } from "../../../src/catalog/fleet/methods.ts";
import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import { testContext } from "../../support/context.ts";
import { askMoment } from "../../support/log-moments.ts";
import { PageDatabase } from "../../support/page-database.ts";

const ACCOUNTS = 20;
const START = 1000;
/** Logs for each kind of base, and moments to read from each. */
const LOGS = 5;
const MOMENTS = 20;

/** Money in two tables, the transfers in a third, and the number of transfers in a fourth. */
const BANK = `
  CREATE TABLE checking (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
  CREATE TABLE saving (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE transfers (id INTEGER PRIMARY KEY, source INTEGER, target INTEGER, amount INTEGER, pad TEXT);
  CREATE INDEX by_source ON transfers (source);
  CREATE INDEX by_target ON transfers (target);
  CREATE TABLE counter (transfers INTEGER NOT NULL);
  INSERT INTO counter VALUES (0);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ACCOUNTS})
  INSERT INTO checking SELECT i, ${START} FROM n;
  INSERT INTO saving SELECT * FROM checking;`;

/** Conditions that hold after every transaction and never within one; each returns one number. */
const INVARIANT = [
  "SELECT (SELECT sum(balance) FROM checking) + (SELECT sum(balance) FROM saving)",
  "SELECT (SELECT count(*) FROM transfers) - (SELECT transfers FROM counter)",
  `SELECT count(*) FROM checking WHERE balance <> ${START}
     - (SELECT coalesce(sum(amount), 0) FROM transfers WHERE source = checking.id)`,
  `SELECT count(*) FROM saving WHERE balance <> ${START}
     + (SELECT coalesce(sum(amount), 0) FROM transfers WHERE target = saving.id)`,
];
const HOLDS = [[String(2 * ACCOUNTS * START)], ["0"], ["0"], ["0"]];

/** Make one transfer after another until stopped; returns their number. */
async function transferUntil({ client }: PageDatabase, ended: () => boolean): Promise<number> {
  let count = 0;
  for (; !ended(); count++) {
    const source = 1 + (count % ACCOUNTS);
    const target = 1 + ((count * 7) % ACCOUNTS);
    await client.batch(
      [
        `UPDATE checking SET balance = balance - ${count} WHERE id = ${source}`,
        `UPDATE counter SET transfers = transfers + 1`,
        `INSERT INTO transfers (source, target, amount, pad)
         VALUES (${source}, ${target}, ${count}, hex(randomblob(${count % 50 === 0 ? 9000 : 20})))`,
        `UPDATE saving SET balance = balance + ${count} WHERE id = ${target}`,
      ],
      "write",
    );
  }
  return count;
}

it("200 moments that were captured under a writer are each the state after a transaction", async () => {
  const database = await PageDatabase.create(BANK);
  const config = { ...database.config, follow: "1m" };
  const kinds = ["image", "log"].flatMap((kind) =>
    Array.from({ length: LOGS }, (_, number) => `${kind}-${number}`),
  );
  const context = testContext(Object.fromEntries(kinds.map((name) => [name, config])));
  // Transfers can happen between the questions that a base takes.
  let pause = 0;
  const fetch: Deps["fetch"] = async (url, init) => {
    await systemDeps.sleep(pause);
    return systemDeps.fetch(url, init);
  };
  Object.assign(context.deps, { fetch });
  for (const name of kinds) {
    const method = { protocol: "replica", image: name.startsWith("image"), why: "a test" } as const;
    await recordMethod(context.catalog, name, config.url, method, Date.now());
  }

  let ended = false;
  const writer = transferUntil(database, () => ended);
  const captured: { name: string; lineage: string; txid: number }[] = [];
  try {
    for (const name of kinds) {
      pause = 40;
      await context.followers.follow(name); // else `pull` leaves a base by image to the backups
      pause = 0;
      const { id: lineage, txid } = (await openLineage(context.catalog, name))!;
      const mine = [{ name, lineage, txid }];
      while (mine.length < MOMENTS) {
        const reached = (await context.followers.pull(name))!;
        expect(reached.lineage).toBe(lineage);
        if (reached.txid > mine.at(-1)!.txid) mine.push({ name, ...reached });
      }
      captured.push(...mine);
    }
  } finally {
    ended = true;
  }
  expect(await writer).toBeGreaterThan(captured.length / LOGS);

  let counter = 0;
  for (const moment of captured) {
    const count = "SELECT transfers FROM counter";
    const [found, ...answers] = await askMoment(context, moment.name, moment, count, ...INVARIANT);
    expect(answers, JSON.stringify(moment)).toEqual(HOLDS);
    // The logs were made one after the other, so their moments are in the order of the transfers.
    expect(Number(found![0])).toBeGreaterThanOrEqual(counter);
    counter = Number(found![0]);
  }
  expect(captured).toHaveLength(200);
  expect(counter).toBeGreaterThan(200);
});
