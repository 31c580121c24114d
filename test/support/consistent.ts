import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { listBackups } from "../../src/catalog/backups.ts";
import { lineagesOf, segmentsOf } from "../../src/catalog/lineages.ts";
import { uploadsOf } from "../../src/catalog/uploads.ts";
import { noteKey } from "../../src/store/segment-keys.ts";
import { allKeys, backUp, backupKeys, manualRun, testContext } from "./context.ts";

const { BUCKET } = env;

type Databases = Record<string, object>;

/** Expect bucket and catalog to agree: every backup is whole, and there is nothing else. */
export async function expectConsistent(
  name: string,
  databases: Databases,
  when: string,
): Promise<number> {
  const { catalog } = testContext(databases);
  const backups = await listBackups(catalog, name, 200);
  const keys = backups.flatMap(({ manifest }) => [manifest.key, manifest.manifestKey]);
  expect(await backupKeys(BUCKET, `manual/${name}/`), when).toEqual(keys.toSorted());
  for (const { manifest } of backups)
    expect((await BUCKET.head(manifest.key))!.size, when).toBe(manifest.stored.bytes);
  const segments = [];
  for (const { id } of await lineagesOf(catalog, name))
    segments.push(...(await segmentsOf(catalog, id)));
  const logged = segments.map(({ key }) => key).toSorted();
  const found = await allKeys(BUCKET, `log/${name}/`);
  const notes = found.filter((key) => key.endsWith(".json"));
  expect(
    found.filter((key) => !notes.includes(key)),
    when,
  ).toEqual(logged);
  expect(logged.map(noteKey), when).toEqual(expect.arrayContaining(notes));
  return backups.length;
}

/** Run again: it repairs whatever the previous run left. */
export async function healNow(name: string, databases: Databases): Promise<void> {
  const context = testContext(databases);
  expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
  expect(await uploadsOf(context.catalog, name)).toEqual([]);
}
