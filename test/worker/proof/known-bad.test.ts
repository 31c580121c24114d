import { describe, expect, it } from "vitest";
import { newestBackup, recordProof } from "../../../src/catalog/backups.ts";
import type { Act, Outcome } from "../../../src/model/proof.ts";
import { apiOf, askApp } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

/** Make a database with this many backups; returns the ids, newest first. */
async function made(name: string, count: number) {
  const database = await PageDatabase.create("CREATE TABLE t (v); INSERT INTO t VALUES (1)");
  let now = Date.now();
  const context = testContext({ [name]: database.config }, { now: () => (now += 1000) });
  const ids: string[] = [];
  for (let made = 0; made < count; made++) {
    expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
    ids.unshift((await newestBackup(context.catalog, name))!.id);
  }
  const find = (id: string, act: Act, outcome: Outcome) =>
    recordProof(context.catalog, id, act, {
      outcome,
      at: "2026-11-20T05:00:00.000Z",
      proofKey: "x",
      problem: { code: "DRILL_FAILED", message: "The table t lost its rows.", hint: "-" },
      recoveryMs: null,
    });
  return { context, api: apiOf(context), ids, find, backups: `/v1/databases/${name}/backups` };
}

describe("a newest backup that a proof found bad", () => {
  it.each([
    ["drill", "failed"],
    ["verify", "corrupt"],
  ] as const)("is no latest when its %s found it %s", async (act, outcome) => {
    const { api, ids, find, backups } = await made(`bad-${act}`, 3);
    const [newest, second, third] = ids as [string, string, string];
    expect(await api.json(`${backups}/latest`)).toMatchObject({ id: newest, knownBad: null });
    await find(newest, act, outcome);
    await find(second, "drill", "failed");
    const refused = await api.json(`${backups}/latest`, undefined, 409);
    expect(refused).toMatchObject({ code: "BACKUP_KNOWN_BAD" });
    expect(refused["detail"]).toBe(
      `Backup ${newest} is known to be bad. Its ${act} of 2026-11-20T05:00:00.000Z found it ${outcome}: The table t lost its rows.`,
    );
    expect(refused["hint"]).toContain(`--backup ${third}`);
    expect(refused["hint"]).toContain(`--backup ${newest}`);
    await find(third, "verify", "corrupt");
    expect((await api.json(`${backups}/latest`, undefined, 409))["hint"]).toContain(
      "no backup that is not known to be bad",
    );
  });

  it("is given by its id, and says so in every answer", async () => {
    const { context, api, ids, find, backups } = await made("bad-named", 2);
    const [newest, older] = ids as [string, string];
    await find(newest, "drill", "failed");
    const bad = { act: "drill", outcome: "failed", problem: { code: "DRILL_FAILED" } };
    expect(await api.json(`${backups}/${newest}`)).toMatchObject({ id: newest, knownBad: bad });
    expect(await api.json(`/v1/backups/${newest}`)).toMatchObject({ knownBad: bad });
    const list = await api.json(backups);
    expect(list["backups"]).toMatchObject([{ knownBad: bad }, { id: older, knownBad: null }]);
    for (const [id, header, field] of [
      [newest, "drill failed", bad],
      [older, null, null],
    ] as const) {
      for (const format of ["db", "db.zst", "sql.gz"]) {
        const link = await api.json(`/v1/backups/${id}/links`, { format });
        if (field === null) expect(link["knownBad"]).toBeNull();
        else expect(link["knownBad"]).toMatchObject(field);
        const answer = await askApp(new Request(link["url"] as string), context);
        expect(answer.headers.get("x-nightjar-known-bad")).toBe(header);
        await answer.arrayBuffer();
      }
      const target = await PageDatabase.create("");
      const { url, namespace } = target.config as { url: string; namespace?: string };
      const restored = await api.call(`/v1/backups/${id}/restore`, {
        target: { url, ...(namespace === undefined ? {} : { namespace }) },
        dryRun: true,
      });
      expect(restored.status).toBe(200);
      expect(restored.headers.get("x-nightjar-known-bad")).toBe(header);
    }
  });

  it("is latest again when a later proof finds it good, and while nothing is known", async () => {
    const { api, ids, find, backups } = await made("bad-once", 1);
    const [newest] = ids as [string];
    await find(newest, "drill", "failed");
    await api.json(`${backups}/latest`, undefined, 409);
    await find(newest, "drill", "unproven");
    expect(await api.json(`${backups}/latest`)).toMatchObject({ id: newest });
    await find(newest, "verify", "corrupt");
    await api.json(`${backups}/latest`, undefined, 409);
    await find(newest, "verify", "verified");
    expect(await api.json(`${backups}/latest`)).toMatchObject({ id: newest });
  });
});

it("refuses to send a target's token over http:// to another machine", async () => {
  const { api, ids } = await made("clear", 1);
  const path = `/v1/backups/${ids[0]}/restore`;
  for (const url of ["http://db.example.com", "http://10.0.0.7:8080", "http://localhost.example"]) {
    const refused = await api.json(path, { target: { url, token: "secret-token" } }, 400);
    expect(refused["detail"]).toContain("everybody on the way could read the token");
    expect(JSON.stringify(refused)).not.toContain("secret-token");
  }
});
