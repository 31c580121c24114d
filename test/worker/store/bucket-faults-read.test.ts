import { beforeAll, expect, it, describe as group } from "vitest";
import { existingBackup } from "../../../src/catalog/backups.ts";
import type { Context } from "../../../src/worker/context.ts";
import { NightjarError } from "../../../src/errors/errors.ts";
import { deriveBackup } from "../../../src/read/derive.ts";
import { drillBackup } from "../../../src/jobs/proof/drill.ts";
import { erase, erasuresOfBackup } from "../../../src/read/erasures.ts";
import { verifyBackup } from "../../../src/jobs/proof/verify.ts";
import { sharedBlocks } from "../../../src/store/block-cache.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import {
  type FaultKind,
  faultsLike,
  HANGING,
  lyingBucket,
  READING,
} from "../../support/lying-bucket.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { askRestore, describe } from "../../support/restores.ts";

/**
 * Everything that reads a backup, from a bucket that misbehaves at its n-th call, for every n.
 *
 * Not detectable: an entry of the erasure list that a list omits. A download in the stored form is sent
 * without reading its content: the manifest has its hash, for the receiver to check.
 */
let databases: Record<string, object>;
let expected: string[];
const ids: Record<string, string> = {};

beforeAll(async () => {
  const source = await PageDatabase.create();
  await source.fill("items", 3);
  expected = await describe(source);
  databases = {
    snapshot: { ...source.config, capture: "pages" },
    dump: { ...source.config, capture: "dump" },
    erased: { ...source.config, capture: "pages" },
  };
  const context = testContext(databases);
  for (const name of Object.keys(databases)) {
    const run = await backUp(context, manualRun(name));
    expect(run).toMatchObject({ state: "done" });
    ids[name] = run.backupId!;
  }
  const entry = { database: "erased", table: "items", column: "id", key: "2", who: "test" };
  await erase(context, { ...entry, force: false });
});
type Act = (context: Context, id: string) => Promise<unknown>;

const manifestOf = async (context: Context, id: string) =>
  (await existingBackup(context.catalog, id)).manifest;

const download =
  (format: "sql" | "db" | "sql.gz" | "ndjson"): Act =>
  async (context, id) => {
    const manifest = await manifestOf(context, id);
    const erasures = await erasuresOfBackup(context, manifest);
    return gather((await deriveBackup(context, manifest, format, erasures)).bytes);
  };

/** Each act and its result; an act throws what it finds to be wrong. */
const ACTS: Record<string, Act> = {
  verify: async (context, id) => {
    const { problem, checks } = await verifyBackup(context, await manifestOf(context, id));
    if (problem !== null) throw new NightjarError(problem.code, problem.message);
    return checks;
  },
  drill: async (context, id) => {
    const { problem, tables, outcome } = await drillBackup(context, await manifestOf(context, id));
    if (problem !== null) throw new NightjarError(problem.code, problem.message);
    return { outcome, tables };
  },
  "download as sql": download("sql"),
  "download as sql.gz": download("sql.gz"),
  "download as db": download("db"),
  "download as ndjson": download("ndjson"),
};

/** Acts that a dump has no answer to, and those that the erasure list applies to. */
const OF_PAGES = new Set(["download as db", "download as ndjson"]);
const ERASING = new Set(["download as sql", "download as ndjson"]);

const CASES = Object.keys(ACTS).flatMap((act) =>
  ["snapshot", "dump", "erased"]
    .filter((name) => name !== "dump" || !OF_PAGES.has(act))
    .filter((name) => name !== "erased" || ERASING.has(act))
    .map((name) => [act, name] as const),
);

/** Empty the cache: cached blocks would hide a fault. */
const forgetBlocks = () =>
  sharedBlocks.use(
    "all of it",
    async () => ({ length: 2 ** 30 }) as Uint8Array,
    () => undefined,
  );

/** Detect that the bucket omits an entry of the erasure list, whose existence cannot be known. */
const cannotBeKnown = (kind: FaultKind, name: string) =>
  name === "erased" && kind === "leaves the first out of a list";

group("a bucket that misbehaves at any one call", () => {
  it.each(CASES)("%s of the %s: an error, or what is right", async (act, name) => {
    const look = ACTS[act]!;
    const id = ids[name]!;
    const right = await look(testContext(databases), id);
    for (const kind of [...READING, ...faultsLike(/first/)])
      for (let nth = 1; ; nth++) {
        await forgetBlocks();
        const { bucket, what } = lyingBucket(kind, nth);
        const found = await look(testContext(databases, { bucket }), id).catch(
          (thrown: unknown) => thrown,
        );
        const when = `${act}, ${kind} at call ${nth}: ${what()}`;
        // The data read is either refused or, if it was not needed, made no difference.
        if (!(found instanceof Error)) {
          if (!cannotBeKnown(kind, name)) expect(found, when).toEqual(right);
          // A snapshot's frames are checked again for their structure, which the bit does not affect.
          if (act === "verify" && !(name === "snapshot" && kind.includes("unused")))
            expect(what(), when).toBe("");
        } else {
          expect(found, `${when}: ${found.stack}`).toBeInstanceOf(NightjarError);
          expect((found as NightjarError).code, `${when}: ${found.message}`).not.toBe("INTERNAL");
        }
        // No trace of the fault remains.
        expect(await look(testContext(databases), id), `after ${when}`).toEqual(right);
        if (what() === "") break;
        expect(nth).toBeLessThan(30);
      }
  });
});

group("a restore into a server from a bucket that misbehaves at any one call", () => {
  const ways = [
    ["snapshot", "pages"],
    ["snapshot", "statements"],
    ["dump", "statements"],
  ] as const;
  it.each(ways)("of the %s by %s: whole, or said not to be", async (name, way) => {
    const path = `/v1/backups/${ids[name]}/restore`;
    // By pages, a request that hangs keeps its transaction, and blocks others, until the server ends it.
    for (const kind of [...READING, ...(way === "pages" ? [] : HANGING)])
      for (let nth = 1; ; nth++) {
        await forgetBlocks();
        const { bucket, what, hung } = lyingBucket(kind, nth);
        const target = await PageDatabase.create();
        const body = { target: target.config, verify: true, way };
        // The mark makes the target one page larger than these few, so it no longer fits by pages.
        const again = { ...body, way: "auto" };
        const told = await Promise.race([
          askRestore(testContext(databases, { bucket }), path, body),
          hung(),
        ]).catch(() => null);
        const when = `${kind} at call ${nth}: ${what()}: ${JSON.stringify(told?.last)}`;
        if (told !== null && told.last["done"] === undefined) {
          const { code } = (told.last["error"] ?? told.last) as { code: string };
          expect(code, when).toMatch(/^[A-Z_]+$/);
          expect(code, when).not.toBe("INTERNAL");
          if (code === "RESTORE_UNVERIFIED") expect(await describe(target), when).toEqual(expected);
          else {
            const { last } = await askRestore(testContext(databases), path, again);
            expect(last, `${when}, then ${JSON.stringify(last)}`).toHaveProperty("done");
          }
        } else if (told === null) {
          // Nothing waits for ever: the target is known to be incomplete, and another restore takes it over.
          const { last } = await askRestore(testContext(databases), path, again);
          if (last["done"] === undefined) expect(last["code"], when).toBe("TARGET_NOT_EMPTY");
        }
        expect(await describe(target), when).toEqual(expected);
        if (what() === "") break;
        expect(nth).toBeLessThan(30);
      }
  });
});
