import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localDatabases } from "../../../scripts/lib/local-databases.ts";

/** Which databases `npm start` protects. */
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "nightjar-local-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function configure(databases: string, secrets?: string): void {
  const bucket = '[[r2_buckets]]\nbinding = "BUCKET"\nbucket_name = "b"\n';
  const crons = '[triggers]\ncrons = ["* * * * *", "30 3 * * *"]\n';
  writeFileSync(join(dir, "wrangler.toml"), `${crons}${bucket}${databases}`);
  if (secrets !== undefined) writeFileSync(join(dir, ".dev.vars"), secrets);
}

const OWN = `[vars.DATABASES.mine]
url = "libsql://mine.example"
token = "MINE_TOKEN"
`;

describe("with databases in wrangler.toml", () => {
  it("they are the user's own, with what .dev.vars has", async () => {
    configure(OWN, "MINE_TOKEN=x\nADMIN_TOKEN='my own admin token'\n");
    const found = await localDatabases(join(dir, "state"), false, dir);
    expect(found).toMatchObject({ names: ["mine"], sqld: undefined, token: "my own admin token" });
    expect(Object.keys(found.vars)).toEqual(["SIGNING_KEY"]);
    expect(found.notes[0]).toContain("The databases of wrangler.toml: mine.");
    expect(found.notes.join()).not.toContain("Not in .dev.vars");
    expect(existsSync(join(dir, "state"))).toBe(false);
  });

  it("are not refreshed: they are never written to", async () => {
    const staging = '[vars.DATABASES.staging]\nurl = "libsql://staging.example"\n';
    configure(`${OWN}copy = false\nrefresh = { into = "staging", sanitize = false }\n${staging}`);
    const { vars, notes } = await localDatabases(join(dir, "state"), false, dir);
    expect(JSON.parse(vars["DATABASES"]!)).toEqual({
      mine: { url: "libsql://mine.example", token: "MINE_TOKEN", copy: false },
      staging: { url: "libsql://staging.example" },
    });
    expect(notes).toContain("Not refreshed from here: staging.");
  });

  it("are those of TURSO, too, unless the sample is asked for", async () => {
    configure('[vars.TURSO]\norganization = "acme"\ntoken = "TURSO_TOKEN"\n');
    const found = await localDatabases(join(dir, "state"), false, dir);
    expect(found).toMatchObject({ names: [], sqld: undefined });
    expect(found.notes).toContain(
      "And those of the organization acme of Turso that TURSO protects.",
    );
    expect(found.notes.join()).toContain("Not in .dev.vars, and needed: TURSO_TOKEN.");
    const sample = await localDatabases(join(dir, "state"), true, dir);
    await sample.sqld!.stop();
    expect(sample.notes).toEqual(["The sample, and not those of TURSO."]);
    expect(sample.vars).toMatchObject({ TURSO: "" });
  });

  it("says which secrets are missing, and refuses a mistake", async () => {
    configure(OWN);
    const { notes, vars } = await localDatabases(join(dir, "state"), false, dir);
    expect(notes).toContain("Not in .dev.vars, and needed: MINE_TOKEN. Add them, and start again.");
    expect(Object.keys(vars)).toEqual(["ADMIN_TOKEN", "SIGNING_KEY"]);
    configure(`${OWN}shedule = "x"`);
    await expect(localDatabases(join(dir, "state"), false, dir)).rejects.toThrow(/shedule/);
  });
});

describe("the sample", () => {
  it("is started where there are none, on the port that it had, and when it is asked for", async () => {
    configure("[vars.DATABASES]\n");
    const first = await localDatabases(join(dir, "state"), false, dir);
    await first.sqld!.stop();
    configure(OWN);
    const again = await localDatabases(join(dir, "state"), true, dir);
    await again.sqld!.stop();
    expect(first).toMatchObject({ names: ["shop"], notes: [] });
    expect(again).toMatchObject({ names: ["shop"], notes: ["The sample, and not mine."] });
    expect(again.sqld!.url).toBe(first.sqld!.url);
    expect(JSON.parse(again.vars["DATABASES"]!)).toEqual({
      shop: { url: again.sqld!.url, badge: "public" },
    });
  });
});
