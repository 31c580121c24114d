import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findConnection } from "../../../src/cli/account/connection.ts";
import { profilesFile, readProfiles, writeProfiles } from "../../../src/cli/account/profiles.ts";
import { readProject } from "../../../src/cli/account/project.ts";

/** Which address and which token a command uses, and that no token goes to an address of somebody else. */
let dir: string;
let env: Record<string, string>;
const PROD = { url: "https://prod.example", token: "prod-token" };
const STAGING = { url: "https://staging.example", token: "staging-token" };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "nightjar-sign-in-"));
  mkdirSync(join(dir, "app/.git"), { recursive: true });
  mkdirSync(join(dir, "app/src"));
  env = { XDG_CONFIG_HOME: join(dir, "config"), INIT_CWD: join(dir, "app/src") };
});
afterEach(() => rmSync(dir, { recursive: true }));

function signedIn(current: string | null = "prod"): void {
  writeProfiles(env, { current, profiles: { prod: PROD, staging: STAGING } });
}

const project = (content: unknown) =>
  writeFileSync(join(dir, "app/nightjar.json"), JSON.stringify(content));

describe("the profiles", () => {
  it("are for their user alone, also where the file was open to others", () => {
    signedIn();
    expect(statSync(profilesFile(env)).mode & 0o777).toBe(0o600);
    chmodSync(profilesFile(env), 0o644);
    signedIn();
    expect(statSync(profilesFile(env)).mode & 0o777).toBe(0o600);
    expect(readProfiles(env).profiles).toEqual({ prod: PROD, staging: STAGING });
  });

  it("are refused, unquoted, where they are something else", () => {
    signedIn();
    for (const text of ["{", '{"profiles":{"x":{"token":"a-secret"}}}', "[]"]) {
      writeFileSync(profilesFile(env), text);
      expect(() => readProfiles(env)).toThrow(/^The profiles in .* cannot be used: it is no file/);
      expect(() => readProfiles(env)).not.toThrow(/a-secret/);
    }
  });
});

describe("a command uses", () => {
  it("the environment before all else", () => {
    signedIn();
    project({ url: STAGING.url });
    const given = { ...env, NIGHTJAR_URL: "https://env.example/", NIGHTJAR_TOKEN: "env-token" };
    expect(findConnection(given)).toEqual({ url: "https://env.example", token: "env-token" });
  });

  it("the profile that is named, then the one of the repository's address, then the current one", () => {
    signedIn();
    expect(findConnection(env)).toEqual(PROD);
    expect(findConnection({ ...env, NIGHTJAR_PROFILE: "staging" })).toEqual(STAGING);
    project({ url: `${STAGING.url}/` });
    expect(findConnection(env)).toEqual(STAGING);
    expect(findConnection({ ...env, NIGHTJAR_PROFILE: "prod" })).toEqual(PROD);
    expect(findConnection({ ...env, NIGHTJAR_URL: STAGING.url })).toEqual(STAGING);
  });

  it.each([
    ["another address of the repository", {}, { url: "https://other.example" }, "not signed in"],
    ["a token of the environment alone", { NIGHTJAR_TOKEN: "t" }, { url: PROD.url }, "Set both"],
    ["an address without a token", { NIGHTJAR_URL: "https://x.example" }, {}, "NIGHTJAR_TOKEN"],
    ["two that contradict", { NIGHTJAR_URL: PROD.url, NIGHTJAR_PROFILE: "prod" }, {}, "would win"],
    ["a profile that is not there", { NIGHTJAR_PROFILE: "x" }, {}, "no profile x"],
    ["an address without TLS", {}, { url: "http://staging.example" }, "without TLS"],
  ])("nothing for %s", (_, more, content, message) => {
    signedIn();
    project(content);
    let told = "";
    try {
      findConnection({ ...env, ...more });
    } catch (error) {
      const { message: text, hint } = error as { message: string; hint: string };
      told = `${text} ${hint}`;
    }
    expect(told).toContain(message);
    expect(told).not.toMatch(/(prod|staging)-token/);
  });

  it("no current profile where there is none", () => {
    expect(() => findConnection(env)).toThrow("You are not signed in to a Nightjar");
    signedIn(null);
    expect(() => findConnection(env)).toThrow("You are not signed in to a Nightjar");
  });
});

describe("nightjar.json", () => {
  it("is that of the repository, and of none around it", () => {
    writeFileSync(join(dir, "nightjar.json"), JSON.stringify({ database: "outer" }));
    expect(readProject(join(dir, "app/src"))).toBeUndefined();
    project({ database: "shop" });
    expect(readProject(join(dir, "app/src"))).toMatchObject({ database: "shop" });
  });

  it.each([
    [{ url: PROD.url, token: "a-secret" }, /holds "token": it may hold no secret/],
    [{ databse: "shop" }, /has a wrong "databse"/],
    [{ database: "../shop" }, /has a wrong "database"/],
    [{ url: "nowhere" }, /has a wrong "url"/],
    [[], /is no object/],
  ])("%j is refused", (content, message) => {
    project(content);
    expect(() => readProject(join(dir, "app/src"))).toThrow(message);
    expect(() => readProject(join(dir, "app/src"))).not.toThrow(/a-secret/);
  });
});
