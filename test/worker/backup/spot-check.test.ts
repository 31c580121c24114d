import { env } from "cloudflare:workers";
import { describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { lineagesOf } from "../../../src/catalog/lineages.ts";
import { systemDeps } from "../../../src/core/deps.ts";
import type { Proof } from "../../../src/model/proof.ts";
import { openImage } from "../../../src/sqlite/engine/open.ts";
import { openSnapshot } from "../../../src/store/snapshot-reader.ts";
import type { Context } from "../../../src/worker/context.ts";
import { allKeys, backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { TursoDatabase } from "../../support/turso-database.ts";

const { BUCKET } = env;
const PAGE = 4096;

/** Back up, and return the newest manifest's facts and the check that its verify's proof has. */
async function capture(context: Context, name: string) {
  expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done", error: null });
  const { manifest, verification } = (await newestBackup(context.catalog, name))!;
  const proof = await (await BUCKET.get(verification!.proofKey))!.json<Proof>();
  const check = proof.checks.find(({ name: of }) => of === "spot check");
  return { manifest, snapshot: manifest.snapshot!, detail: check?.detail };
}

/** The server's answers to what `isAltered` says, with one bit of one byte flipped. */
function flipping(
  isAltered: (url: string, init: RequestInit, call: number) => boolean,
  at: number,
) {
  let call = 0;
  return async (url: string, init: RequestInit): Promise<Response> => {
    const answer = await systemDeps.fetch(url, init);
    if (answer.status !== 200 || !isAltered(url, init, call++)) return answer;
    const bytes = await answer.bytes();
    if (at < bytes.length) bytes[at]! ^= 4;
    return new Response(bytes, answer);
  };
}

describe("a database that its server keeps encrypted", () => {
  it("is asked for with its key in every request, which no error repeats", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 3);
    const key = "6Jz0Hq0m1XkQyTn2vWb8cUeRfGhIjKlMnOpQrStUvWx=";
    const keys = new Set<string | null>();
    const name = `keyed-${crypto.randomUUID().slice(0, 8)}`;
    const entry = { url: database.source.url, encryptionKey: "SHOP_KEY", attempts: 1 };
    const context = (fetch: typeof systemDeps.fetch) =>
      testContext({ [name]: entry }, { secrets: { SHOP_KEY: key }, fetch });
    const noting = context((url, init) => {
      keys.add(new Headers(init.headers).get("x-turso-encryption-key"));
      return systemDeps.fetch(url, init);
    });
    await capture(noting, name);
    expect([...keys]).toEqual([key]);
    const refusing = context(async () => new Response(`wrong key ${key}`, { status: 403 }));
    const { error } = await backUp(refusing, manualRun(name));
    expect(error).toMatchObject({ code: "SOURCE_UNAUTHORIZED" });
    expect(error?.message).toContain("wrong key [key]");
    await database.remove();
  });
});

describe("pages that are read again from the server", () => {
  it("are all those of a small database of Turso's engine, at the revision that was stored", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 20);
    const name = `turso-${crypto.randomUUID().slice(0, 8)}`;
    const context = testContext({ [name]: { url: database.source.url } });
    const { snapshot, detail } = await capture(context, name);
    expect(snapshot.method).toMatchObject({ protocol: "pull-updates", why: /by revision/ });
    expect(snapshot.spotCheck).toEqual({ pages: snapshot.pageCount, why: null });
    expect(detail).toContain(`${snapshot.pageCount} pages`);

    await database.exec("UPDATE items SET data = 'new' WHERE id = 7");
    const second = await capture(context, name);
    expect(second.snapshot).toMatchObject({ log: { txid: 2 }, spotCheck: { why: null } });
    const image = await openImage(await openSnapshot(BUCKET, second.manifest));
    const sql = "SELECT id, data FROM items ORDER BY id";
    const rows = await image.rows(sql, (row) => [row.text(0), row.text(1)]);
    image.close();
    expect(rows).toEqual(await database.exec(sql));
    await database.remove();
  });

  it("find each byte that was altered on its way, so that it never becomes a backup", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 6);
    // A request for a pinned revision begins with its field: those are asked once more.
    const isFirst = (url: string, { body }: RequestInit) =>
      url.endsWith("/pull-updates") && (body as Uint8Array)[0] !== 0x12;
    const few = inject("trials") ?? 14;
    const places = [0, 1, 3, 16, 18, 28, 40, 92, 96].map((byte) => 14 + byte);
    while (places.length < few)
      places.push(Math.floor((places.length * 7919 * PAGE) / few) % (PAGE * 7));
    for (const at of places) {
      const name = `flip-${crypto.randomUUID().slice(0, 8)}`;
      const entry = { url: database.source.url, attempts: 1, capture: "pages" };
      const context = testContext({ [name]: entry }, { fetch: flipping(isFirst, at) });
      const { state, error } = await backUp(context, manualRun(name));
      expect({ at, state }).toEqual({ at, state: "failed" });
      expect(error?.code, `${at}`).toMatch(/SOURCE_|PAGES_|LOG_DAMAGED/);
      expect(await newestBackup(context.catalog, name)).toBeUndefined();
      expect((await allKeys(BUCKET, `manual/${name}/`)).length).toBe(0);
    }
    await database.remove();
  });

  it("are 64 of an idle sqld's, and none of one that moves on, and a difference ends the log", async () => {
    const database = await PageDatabase.create();
    await database.fill("items", 2000);
    const name = `sqld-${crypto.randomUUID().slice(0, 8)}`;
    const idle = testContext({ [name]: database.config });
    const { snapshot } = await capture(idle, name);
    expect(snapshot.method.protocol).toBe("replica");
    expect(snapshot.spotCheck!.why).toBeNull();
    expect(snapshot.spotCheck!.pages).toBeGreaterThan(40);
    expect(snapshot.spotCheck!.pages).toBeLessThanOrEqual(64);

    let hellos = 0;
    const busy = testContext(
      { [name]: database.config },
      {
        async fetch(url, init) {
          if (url.endsWith("/Hello") && ++hellos === 2)
            await database.exec("UPDATE items SET pad = 'x' WHERE id = 1");
          return systemDeps.fetch(url, init);
        },
      },
    );
    expect((await capture(busy, name)).snapshot.spotCheck).toEqual({
      pages: 0,
      why: "the server has moved on",
    });
    await capture(idle, name);

    const isAgain = (url: string, { body }: RequestInit) =>
      url.endsWith("/cursor") && new TextDecoder().decode(body as Uint8Array).includes("pgno IN");
    const altered = testContext(
      { [name]: { ...database.config, attempts: 1 } },
      { fetch: flipping(isAgain, 9000) },
    );
    const { state, error } = await backUp(altered, manualRun(name));
    expect({ state, code: error?.code }).toEqual({ state: "failed", code: "SOURCE_DIFFERS" });
    expect((await lineagesOf(idle.catalog, name)).at(-1)!.endedAt).not.toBeNull();
    const { snapshot: anew } = await capture(idle, name);
    expect(anew).toMatchObject({ log: null, spotCheck: { why: null } });
  });

  it("are as many as the configuration says, and none are asked for where it says 0", async () => {
    const database = await PageDatabase.create();
    await database.fill("items", 500);
    const name = `some-${crypto.randomUUID().slice(0, 8)}`;
    const of = (count: number) => testContext({ [name]: { ...database.config, spotCheck: count } });
    expect((await capture(of(1), name)).snapshot.spotCheck).toEqual({ pages: 1, why: null });
    const { snapshot, detail } = await capture(of(0), name);
    expect(snapshot.spotCheck).toEqual({ pages: 0, why: "the configuration asks for none" });
    expect(detail).toMatch(/no page was read again.*asks for none/);
  });
});
