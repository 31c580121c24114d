import { describe, expect, it } from "vitest";
import { pullAll, Replica, sample, StandInDatabase } from "../../support/sync-client.ts";

/** Expect the error of one fault in one answer, after this many commits. */
async function expectFault(
  fault: Parameters<StandInDatabase["fault"]>[0],
  code: string,
  commits: number,
  options: object = {},
): Promise<string> {
  const database = await sample(options);
  await database.fault(fault);
  const replica = new Replica();
  const pulled = await replica.pull(database.source);
  const name = JSON.stringify(fault).slice(0, 100);
  expect.soft(pulled.error?.code, name).toBe(code);
  expect.soft(pulled.commits.length, name).toBe(commits);
  await database.fault();
  await pullAll(database, replica); // the committed state is a valid place to continue
  return pulled.error?.message ?? "";
}

describe("a spoilt answer", () => {
  it("that refuses is told by its code", async () => {
    for (const [on, commits] of [
      ["info", 0],
      ["export", 0],
      ["sync", 1],
    ] as const) {
      for (const [status, code] of [
        [401, "SOURCE_UNAUTHORIZED"],
        [403, "SOURCE_UNAUTHORIZED"],
        [404, "SOURCE_NOT_FOUND"],
        [400, "SOURCE_NOT_FOUND"],
        [429, "SOURCE_ERROR"],
        [500, "SOURCE_ERROR"],
        [503, "SOURCE_ERROR"],
      ] as const)
        await expectFault({ on, status, body: '{"error":"no"}' }, code, commits);
    }
  });

  it("with the end of history and the wrong status is an error, not the end", async () => {
    const end = { status: "checkpoint_needed", generation: 2, max_frame_no: 0 };
    const body = JSON.stringify(end);
    await expectFault({ on: "sync", status: 503, body }, "SOURCE_ERROR", 1);
    await expectFault({ on: "sync", status: 404, body }, "SOURCE_NOT_FOUND", 1);
    const more = JSON.stringify({ ...end, max_frame_no: 14 });
    await expectFault({ on: "sync", status: 500, body: more }, "SOURCE_ERROR", 1);
    const database = await sample();
    await database.write("big", 300);
    const full = JSON.stringify({ ...end, max_frame_no: 0 });
    await database.fault({ on: "sync", skip: 1, status: 500, body: full });
    expect((await new Replica().pull(database.source)).error?.code).toBe("SOURCE_ERROR");
  });

  it("that tells no generation is refused", async () => {
    for (const body of ["", "{", "[]", '{"current_generation":0}', '{"current_generation":"2"}'])
      await expectFault({ on: "info", body }, "PAGES_INVALID", 0);
  });

  it("with an export of a wrong length is refused", async () => {
    const bytes = (await new StandInDatabase().image()).length;
    expect(bytes).toBe(4096);
    for (const chunked of [true, false])
      for (const end of [1, 99, 4095, 4096, 262_144, 300_000, -4096, -1])
        await expectFault({ on: "export", end, chunked }, "PAGES_INVALID", 0);
    for (const pad of [1, 4096, 1_000_000])
      await expectFault({ on: "export", pad }, "PAGES_INVALID", 0);
    const database = await sample();
    const { length } = await database.image();
    for (const cut of [0, 100, 4096, 262_144, length - 4096 * 30])
      await expectFault({ on: "export", cut }, "SOURCE_CUT", 0);
  });

  it("with an export that is no database of 4,096-byte pages is refused", async () => {
    await expectFault({ on: "export", body: "<!doctype html>" }, "PAGES_INVALID", 0);
    await expectFault({ on: "export", flip: 3 }, "PAGES_INVALID", 0);
    for (const size of ["0200", "2000", "0001", "0000", "1001"])
      await expectFault({ on: "export", patch: [[16, size]] }, "PAGES_INVALID", 0);
    await expectFault({ on: "export", patch: [[28, "00000007"]] }, "PAGES_INVALID", 0);
  });

  it("with an export whose header is stale counts only with a length", async () => {
    const stale: [number, string][] = [[92, "ffffffff"]];
    const unknown = { on: "export", patch: stale, chunked: true };
    expect(await expectFault(unknown, "PAGES_INVALID", 0)).toContain("tell its length");
    const database = await sample();
    await database.fault({ on: "export", patch: stale });
    expect((await new Replica().pull(database.source)).error).toBeNull();
  });

  it("with frames that are not whole is refused", async () => {
    for (const chunked of [true, false])
      for (const end of [0, 1, 24, 4119, 4121, 8239, -1, -4096])
        await expectFault({ on: "sync", end, chunked }, "PAGES_INVALID", 1);
    await expectFault({ on: "sync", pad: 4119 }, "PAGES_INVALID", 1);
    for (const cut of [0, 1, 4120, 20_000]) await expectFault({ on: "sync", cut }, "SOURCE_CUT", 1);
  });

  it("with more frames than were asked for is refused", async () => {
    for (const pad of [4120 * 128, 4120 * 500, 4120 * 500 + 1]) {
      const message = await expectFault({ on: "sync", pad }, "PAGES_INVALID", 1);
      expect(message).toContain("and sent more");
    }
  });

  it("with a page missing from a growing database is refused", async () => {
    // Each frame gets its own salts, as if the service kept no checksums; one page comes twice.
    const patch = Array.from({ length: 8 }, (_, frame): [number, string] => [
      frame * 4120 + 8,
      `0${frame}`.repeat(8),
    ]);
    const fault = { on: "sync", patch: [...patch, [5 * 4120, "00000002"]] as typeof patch };
    expect(await expectFault(fault, "PAGES_INVALID", 1)).toContain("without page");
  });

  it("with a page that cannot be is refused", async () => {
    // In the first frame, which has no predecessor for its checksum to follow from.
    for (const [start, says] of [
      ["00000000", "sent page 0"],
      ["0004000100050000", "sent page 262145"],
    ] as const) {
      const fault = {
        on: "sync",
        patch: [
          [0, start],
          [8, "aa"],
        ] as [number, string][],
      };
      expect(await expectFault(fault, "PAGES_INVALID", 1)).toContain(says);
    }
    const size = await expectFault(
      {
        on: "sync",
        patch: [
          [24 + 16, "0200"],
          [8, "aa"],
        ],
      },
      "PAGES_INVALID",
      1,
    );
    expect(size).toContain("page size");
  });

  it("without checksums is taken, as the vendor's own CLI takes it", async () => {
    const database = await sample();
    const whole = new Replica();
    await pullAll(database, whole);
    const { frame } = whole.cursor as { frame: number };
    const patch: [number, string][] = [];
    for (let at = 16; at < frame * 4120; at += 4120) patch.push([at, "00".repeat(8)]);
    await database.fault({ on: "sync", patch });
    await pullAll(database, new Replica());
  });

  it("with flipped bytes does not fit the checksums", async () => {
    for (const flip of [4120, 4124, 4120 + 16, 4120 + 24, 3 * 4120 + 4000, 7 * 4120 + 100])
      expect(await expectFault({ on: "sync", flip }, "PAGES_INVALID", 1)).toContain("checksum");
    const database = await sample();
    await database.write("big", 300);
    await database.fault({ on: "sync", skip: 1, flip: 30 }); // the first frame of its batch
    const { error, commits } = await new Replica().pull(database.source);
    expect(error?.message).toContain("checksum");
    expect(commits.length).toBe(3);
  });

  it("that stalls or never comes is told as such", async () => {
    const options = { stallMs: 300 };
    for (const [on, commits] of [
      ["info", 0],
      ["export", 0],
      ["sync", 1],
    ] as const) {
      await expectFault({ on, silent: true }, "SOURCE_STALLED", commits, options);
      await expectFault({ on, stall: 10 }, "SOURCE_STALLED", commits, options);
    }
  });

  it("that is compressed is refused", async () => {
    const headers = { "content-encoding": "br" };
    for (const [on, commits] of [
      ["export", 0],
      ["sync", 1],
    ] as const)
      await expectFault({ on, headers }, "PAGES_INVALID", commits);
  });

  it("never has its token repeated", async () => {
    const body = "you sent very-secret-token, did you?";
    const options = { token: "very-secret-token" };
    for (const on of ["info", "export", "sync"]) {
      const message = await expectFault(
        { on, status: 500, body },
        "SOURCE_ERROR",
        on === "sync" ? 1 : 0,
        options,
      );
      expect(message).toContain("you sent [token]");
    }
  });

  it("comes from no one at all", async () => {
    const { source } = new StandInDatabase({ url: "http://127.0.0.1:9" });
    expect((await new Replica().pull(source)).error?.code).toBe("SOURCE_UNREACHABLE");
  });
});
