import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { openLineage, segmentsOf } from "../../../src/catalog/lineages.ts";
import { uploadsOf } from "../../../src/catalog/uploads.ts";
import { momentOf, pagesOf } from "../../../src/read/moment.ts";
import { recoverLog } from "../../../src/jobs/log/pull.ts";
import { LogWriter } from "../../../src/jobs/log/writer.ts";
import { listKeys } from "../../../src/store/list.ts";
import { noteKey } from "../../../src/store/segment-keys.ts";
import { testContext } from "../../support/context.ts";

const { BUCKET } = env;
const PAGE_SIZE = 512;
/** Space for 20 pages in memory. */
const LIMITS = { holdBytes: 20 * PAGE_SIZE, segmentBytes: 10 * PAGE_SIZE };
const BASE = { why: "a test", pageSize: PAGE_SIZE, at: 1, uncertainty: null, clockOffset: null };

/** Build a page that identifies the write it is from. */
function page(pgno: number, write: number): { pgno: number; data: Uint8Array } {
  const data = new Uint8Array(PAGE_SIZE);
  new DataView(data.buffer).setUint32(0, pgno);
  new DataView(data.buffer).setUint32(4, write);
  return { pgno, data };
}

/** A log that is written to, and the expected content of its pages. */
class Model {
  readonly context: ReturnType<typeof testContext>;
  readonly pages = new Map<number, number>();
  readonly name: string;
  writer: LogWriter;
  #write = 0;

  constructor(name: string) {
    this.name = name;
    this.context = testContext({ [name]: { url: "http://none.example" } });
    this.writer = new LogWriter(this.context, name, undefined, LIMITS);
  }

  /** Add pages of the open transaction, three at a time, in memory that is reused. */
  async add(pgnos: readonly number[]): Promise<void> {
    for (let at = 0; at < pgnos.length; at += 3) {
      const batch = pgnos.slice(at, at + 3).map((pgno) => page(pgno, ++this.#write));
      await this.writer.add(batch, PAGE_SIZE);
      for (const { pgno, data } of batch) {
        this.pages.set(pgno, new DataView(data.buffer).getUint32(4));
        data.fill(0xee);
      }
    }
  }

  async commit(pageCount: number, isBase = false): Promise<void> {
    const cursor = { protocol: "dbpage" } as const;
    const dated = { at: 1, uncertainty: null, clockOffset: null };
    const commit = { pageCount, ...dated, commits: 1, cursor };
    await this.writer.commit(commit, isBase ? BASE : undefined);
    for (const pgno of this.pages.keys()) if (pgno > pageCount) this.pages.delete(pgno);
  }

  async expectWritten(): Promise<void> {
    const { id, txid } = (await openLineage(this.context.catalog, this.name))!;
    const found = new Map<number, number>();
    const moment = await momentOf(this.context, this.name, id, txid);
    for await (const batch of pagesOf(BUCKET, moment))
      for (const { pgno, data } of batch) {
        const view = new DataView(data.buffer, data.byteOffset);
        expect(view.getUint32(0)).toBe(pgno);
        found.set(pgno, view.getUint32(4));
      }
    expect([...found]).toEqual([...this.pages].toSorted(([a], [b]) => a - b));
  }

  async expectTidy(): Promise<void> {
    const { id } = (await openLineage(this.context.catalog, this.name))!;
    const keys = (await segmentsOf(this.context.catalog, id)).map(({ key }) => key);
    const notes = keys.map(noteKey);
    const found = await listKeys(BUCKET, `log/${this.name}/`);
    expect(found.filter((key) => !notes.includes(key))).toEqual(keys.toSorted());
    expect(await uploadsOf(this.context.catalog, this.name)).toEqual([]);
  }
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, number) => from + number);
/** Return the numbers in a mixed order. */
const mixed = (pgnos: readonly number[]) =>
  pgnos.toSorted((a, b) => ((a * 37) % 101) - ((b * 37) % 101));

it("a transaction larger than the memory waits in the bucket, and nothing of it stays there", async () => {
  const model = new Model("spilt");
  await model.add([...mixed(range(1, 90)), ...mixed(range(30, 100))]);
  await model.commit(100, true);
  await model.expectWritten();
  await model.expectTidy();

  await model.add([3, 5]);
  await model.commit(100);
  await model.add([5, ...mixed(range(40, 130)), 3, ...mixed(range(1, 60))]);
  expect(await listKeys(BUCKET, "log/spilt/spill/")).not.toEqual([]);
  await model.commit(130);
  await model.expectWritten(); // at once: spilled pages are not held back
  await model.add([7]);
  await model.commit(50); // a smaller database, in the same segment as the next
  await model.add(mixed(range(45, 60)));
  await model.commit(60);
  await model.writer.end();
  await model.expectWritten();
  await model.expectTidy();
  const { id } = (await openLineage(model.context.catalog, "spilt"))!;
  const txids = (await segmentsOf(model.context.catalog, id)).map(({ maxTxid }) => maxTxid);
  expect(txids).toEqual([1, 2, 3, 5]);
});

it("what is spilled of a transaction that never completes is dropped", async () => {
  const model = new Model("cut");
  await model.add(range(1, 40));
  await model.commit(40, true);
  const before = new Map(model.pages);
  const spill = async () => {
    await model.add(mixed(range(1, 40)));
    expect(await listKeys(BUCKET, "log/cut/spill/")).not.toEqual([]);
    model.pages.clear();
    for (const [pgno, write] of before) model.pages.set(pgno, write);
  };
  await spill();
  await model.writer.end(); // the log ended within it
  await model.expectTidy();
  model.writer = new LogWriter(model.context, "cut", model.writer.lineage, LIMITS);
  await spill(); // and here the Worker dies
  model.writer = new LogWriter(
    model.context,
    "cut",
    await recoverLog(model.context, "cut"),
    LIMITS,
  );
  await model.expectTidy();
  await model.add(range(1, 4));
  await model.commit(40);
  await model.writer.end();
  await model.expectWritten();
  await model.expectTidy();
});

it("a database that grows without bringing its new pages is refused", async () => {
  const model = new Model("gap");
  await model.add(range(1, 10));
  await model.commit(10, true);
  await model.add([2, 11, 12, 14]);
  await expect(
    (async () => {
      await model.commit(14);
      await model.writer.end();
    })(),
  ).rejects.toMatchObject({
    code: "PAGES_INVALID",
    message: expect.stringContaining("page 13 never came"),
  });
  await recoverLog(model.context, "gap");
  await model.expectTidy();
});
