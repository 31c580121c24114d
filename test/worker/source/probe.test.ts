import { describe, expect, inject, it } from "vitest";
import { knownMethod } from "../../../src/catalog/fleet/methods.ts";
import { systemDeps } from "../../../src/core/deps.ts";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { probeSync } from "../../../src/source/sync/sync.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { StandInDatabase } from "../../support/sync-client.ts";

describe("the probe of the sync protocol", () => {
  it("knows the protocol, and sqld for not speaking it", async () => {
    const { source } = new StandInDatabase();
    expect(await probeSync(source, systemDeps)).toBe(true);
    expect(await probeSync({ ...source, url: inject("shop") }, systemDeps)).toBe(false);
  });

  it("takes no other answer for the protocol", async () => {
    const database = new StandInDatabase();
    for (const fault of [{ status: 404 }, { body: "<p>Welcome" }]) {
      await database.fault({ on: "info", ...fault });
      expect(await probeSync(database.source, systemDeps)).toBe(false);
    }
  });

  it("throws when it cannot know", async () => {
    const database = new StandInDatabase({ stallMs: 300 });
    for (const [fault, code] of [
      [{ status: 401 }, "SOURCE_UNAUTHORIZED"],
      [{ status: 403 }, "SOURCE_UNAUTHORIZED"],
      [{ status: 503 }, "SOURCE_ERROR"],
      [{ silent: true }, "SOURCE_STALLED"],
      [{ cut: 5 }, "SOURCE_CUT"],
    ] as const) {
      await database.fault({ on: "info", ...fault });
      await expect(probeSync(database.source, systemDeps)).rejects.toMatchObject({ code });
    }
    const nobody = { ...database.source, url: "http://127.0.0.1:9" };
    await expect(probeSync(nobody, systemDeps)).rejects.toMatchObject({
      code: "SOURCE_UNREACHABLE",
    });
  });
});

describe("the way that a database is read", () => {
  it("is remembered only when the server could tell all of them", async () => {
    const { config } = await PageDatabase.create("CREATE TABLE t (v)");
    const context = testContext({ ways: config });
    const { url } = context.config.databases.get("ways")!;
    const { fetch } = context.deps;
    Object.assign(context.deps, {
      fetch: async (...[url, init]: Parameters<typeof fetch>) =>
        url.endsWith("/info") ? new Response("", { status: 503 }) : fetch(url, init),
    });
    expect((await backUp(context, manualRun("ways"))).state).toBe("done");
    const { manifest } = (await newestBackup(context.catalog, "ways"))!;
    expect(manifest.snapshot?.method).toMatchObject({ protocol: "replica" });
    expect(await knownMethod(context.catalog, "ways", url)).toBeUndefined();

    Object.assign(context.deps, { fetch });
    expect((await backUp(context, manualRun("ways"))).state).toBe("done");
    expect((await knownMethod(context.catalog, "ways", url))?.method.protocol).toBe("replica");
  });

  it("is not given up for a namespace that sqld is just putting away", async () => {
    const { config } = await PageDatabase.create("CREATE TABLE t (v)");
    const context = testContext({ away: config });
    const { fetch } = context.deps;
    const asked = new Map<string, number>();
    let times = 1;
    // As sqld with more than 100 namespaces was seen to answer, now and then.
    const putAway = (url: string) =>
      url.includes("ReplicationLog")
        ? new Response("", {
            headers: {
              "content-type": "application/grpc-web+proto",
              "grpc-status": "9",
              "grpc-message": "NAMESPACE_DOESNT_EXIST",
            },
          })
        : Response.json({ error: "Namespace `away` doesn't exist" }, { status: 404 });
    Object.assign(context.deps, {
      fetch: async (...[url, init]: Parameters<typeof fetch>) => {
        const before = asked.get(url) ?? 0;
        asked.set(url, before + 1);
        return before < times ? putAway(url) : fetch(url, init);
      },
    });
    expect((await backUp(context, manualRun("away"))).state).toBe("done");
    const { manifest } = (await newestBackup(context.catalog, "away"))!;
    expect(manifest.snapshot?.method).toMatchObject({ protocol: "replica", image: true });
    expect([...asked.values()].every((count) => count > 1)).toBe(true);

    asked.clear();
    times = Infinity;
    const { state, error } = await backUp(context, manualRun("away"));
    expect({ state, code: error?.code }).toEqual({ state: "failed", code: "SOURCE_NOT_FOUND" });
  });
});
