import { generateIdentity, identityToRecipient } from "age-encryption";
import { beforeAll, describe, expect, it } from "vitest";
import { loadConfig, parseDatabases } from "../../../src/config/load.ts";
import { refusal } from "../../support/config-refusal.ts";

const SECRETS = { ADMIN_TOKEN: "a".repeat(24), SIGNING_KEY: "s".repeat(24) };
let identity: string;
let recipient: string;

beforeAll(async () => {
  identity = await generateIdentity();
  recipient = await identityToRecipient(identity);
});

const databases = (entry: object) => ({ shop: { url: "http://x", ...entry } });

describe("encryption in the configuration", () => {
  it("is off unless there are recipients", () => {
    expect(parseDatabases(databases({})).get("shop")).toMatchObject({ recipients: [] });
    expect(parseDatabases(databases({ recipients: [recipient] })).get("shop")).toMatchObject({
      recipients: [recipient],
      identitySecret: undefined,
    });
  });

  it.each([
    ["must be a list of public keys", () => ({ recipients: "age1" })],
    ["leave it out where nothing is to be encrypted", () => ({ recipients: [] })],
    ["must be a public key of age", () => ({ recipients: [recipient, recipient.slice(0, -1)] })],
    ["must be a public key of age", () => ({ recipients: ["ssh-ed25519 AAAA"] })],
    ["the page log is merged", () => ({ recipients: [recipient], follow: "1m" })],
    ["is of no use without `recipients`", () => ({ identity: "SHOP_IDENTITY" })],
    ["must be the NAME of a secret", () => ({ recipients: [recipient], identity })],
  ])("is refused where it cannot be meant: %s", (words, entry) => {
    const message = refusal(() => parseDatabases(databases(entry())));
    expect(message).toContain(words);
    expect(message).not.toContain(identity.slice(16, 40));
  });

  it("never repeats an identity in the place of a public key", () => {
    for (const secret of [identity, identity.toLowerCase()]) {
      const message = refusal(() => parseDatabases(databases({ recipients: [secret] })));
      expect(message).toContain("this is an identity, which is secret");
      expect(message.toUpperCase()).not.toContain(identity.slice(16, 40));
    }
  });

  it("takes the identity for drills from its secret, if it is one", () => {
    const DATABASES = databases({ recipients: [recipient], identity: "SHOP_IDENTITY" });
    const load = (value?: string) => {
      const config = loadConfig({ ...SECRETS, DATABASES, SHOP_IDENTITY: value });
      return config.identity(config.databases.get("shop")!);
    };
    expect(load(`${identity}\n`)).toBe(identity);
    const mistakesOf = (value?: string) => {
      const { databases: read } = loadConfig({ ...SECRETS, DATABASES, SHOP_IDENTITY: value });
      return read
        .get("shop")!
        .mistakes.map(({ fix }) => fix)
        .join("; ");
    };
    expect(mistakesOf()).toContain("there is no secret SHOP_IDENTITY");
    expect(load()).toBeUndefined();
    expect(load(`# created: 2026\n${identity}`)).toBeUndefined();
    const message = mistakesOf(`# created: 2026\n${identity}`);
    expect(message).toContain("the secret SHOP_IDENTITY must be one line");
    expect(message).not.toContain(identity.slice(16, 40));
  });
});
