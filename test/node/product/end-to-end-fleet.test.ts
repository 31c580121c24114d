import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fireCron } from "../../../scripts/lib/local-worker.ts";
import { freePort, type ServerProcess } from "../../../scripts/lib/server-process.ts";
import { allDatabases } from "../../../src/cli/pages.ts";
import { DAY, MINUTE } from "../../../src/plan/duration.ts";
import { openNamespacePorts } from "../../support/namespace-ports.ts";
import { type PlatformStandIn, startPlatformStandIn } from "../../support/platform-stand-in.ts";
import { Product } from "../../support/product.ts";

/**
 * A fleet on one real libSQL server: each database is a namespace with a port of its own, and a stand-in of
 * Turso's platform API lists them. The variable FLEET says how many there are, for a measurement.
 */
const SIZE = Number(process.env["FLEET"] ?? 30);
const NAMES = Array.from({ length: SIZE }, (_, at) => `tenant-${String(at).padStart(3, "0")}`);
const CHANGED = NAMES.filter((_, at) => at % 10 === 3);
const LARGE = 1_200_000;
/** Time in which a night must end, ms. */
const LONGEST = 20_000 + SIZE * 5000;

let product: Product;
let sqld: ServerProcess;
let platform: PlatformStandIn;
let ports: Map<string, number>;
/** The cron's time: half an hour after a midnight, which every database is due at. */
let time = Math.floor(Date.now() / DAY) * DAY + 30 * MINUTE;

/** Run statements. sqld keeps a hundred namespaces open, and says of one that it closes that there is none. */
async function exec(name: string, ...statements: string[]): Promise<void> {
  const requests = statements.map((sql) => ({ type: "execute", stmt: { sql } }));
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://127.0.0.1:${ports.get(name)}/v2/pipeline`, {
      method: "POST",
      body: JSON.stringify({ requests }),
    });
    const { results = [] } = (await answer.json()) as { results?: { error?: unknown }[] };
    const failed = results.find(({ error }) => error !== undefined);
    if (results.length > 0 && failed === undefined) return;
    if (results.length > 0 || tries === 10) throw new Error(`${name}: ${JSON.stringify(failed)}`);
    await sleep(200);
  }
}

/** Read what there is of each database: its backups, and the nights that its newest one stands for. */
async function counts() {
  return new Map(
    (await allDatabases(product.client)).map(({ name, backups, newestBackup, state }) => [
      name,
      { backups, stands: newestBackup?.confirmed?.times ?? 0, state },
    ]),
  );
}

/** Fire the cron, minute by minute, until all databases have what they should, and some minutes longer. */
async function night(expected: (name: string) => { backups: number; stands: number }) {
  const begun = Date.now();
  for (let after = 0; after < 3;) {
    await fireCron(product.worker.url, "* * * * *", time);
    time += MINUTE;
    const found = await counts();
    const isDone = NAMES.every((name) => {
      const { backups, stands, state } = found.get(name) ?? { backups: 0, stands: 0 };
      const wanted = expected(name);
      expect(backups, name).toBeLessThanOrEqual(wanted.backups);
      expect(stands, name).toBeLessThanOrEqual(wanted.stands);
      return backups === wanted.backups && stands === wanted.stands && state === "fresh";
    });
    if (isDone) after++;
    else if (Date.now() - begun > LONGEST) throw new Error("The night does not end.");
    else await sleep(500);
  }
}

beforeAll(async () => {
  product = await Product.create();
  const adminPort = await freePort();
  const admin = ["--enable-namespaces", "--admin-listen-addr", `127.0.0.1:${adminPort}`];
  sqld = await product.sqld("fleet", admin);
  const opened = await openNamespacePorts(sqld.url, NAMES);
  ({ ports } = opened);
  product.stopAtEnd(() => opened.stop());
  for (const [at, name] of NAMES.entries()) {
    const created = await fetch(`http://127.0.0.1:${adminPort}/v1/namespaces/${name}/create`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(created.status).toBe(200);
    await exec(name, "CREATE TABLE who (id)", `INSERT INTO who VALUES (${at})`);
  }
  const databases = NAMES.map((name) => ({ name, hostname: `127.0.0.1:${ports.get(name)}` }));
  platform = await startPlatformStandIn({
    organizations: { acme: { token: "of-the-organization", databases, pageSize: 20 } },
  });
  product.stopAtEnd(() => platform.stop());
  const TURSO = { organization: "acme", token: "PLATFORM_TOKEN", api: platform.url };
  await product.start(
    {},
    {
      TURSO: JSON.stringify({ ...TURSO, defaults: { spread: "5m" } }),
      PLATFORM_TOKEN: "of-the-organization",
    },
  );
}, LARGE);
afterAll(() => product.stop());

describe("a fleet on one server", { timeout: LARGE }, () => {
  it("is found, and each database is backed up once in the first night", async () => {
    await night(() => ({ backups: 1, stands: 0 }));
    for (const [at, name] of NAMES.entries()) {
      if (at % 10 !== 0) continue;
      const file = await product.open(await product.download(name, "db"));
      expect(file.prepare("SELECT id FROM who").all()).toEqual([{ id: at }]);
      file.close();
    }
  });

  it("costs only what has changed in the next one", async () => {
    for (const name of CHANGED) await exec(name, "INSERT INTO who VALUES ('changed')");
    time = (Math.floor(time / DAY) + 1) * DAY + 30 * MINUTE;
    await night((name) =>
      CHANGED.includes(name) ? { backups: 2, stands: 0 } : { backups: 1, stands: 1 },
    );
    const file = await product.open(await product.download(CHANGED[0]!, "db"));
    expect(file.prepare("SELECT count(*) AS n FROM who").get()).toEqual({ n: 2 });
    file.close();
  });
});
