import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../scripts/lib/paths.ts";
import { deploy, missingSecrets, readProject } from "../../scripts/lib/provision.ts";
import type { Wrangler } from "../../scripts/lib/wrangler.ts";

/** A stand-in for wrangler on a real account: it notes the command lines and answers from a list. */
function recorder(secrets: string[] = []) {
  const lines: string[] = [];
  const wrangler: Wrangler = {
    async run(args) {
      lines.push(args.join(" "));
      return args[0] === "deploy" ? "Deployed nightjar\n  https://nightjar.acme.workers.dev\n" : "";
    },
    async ask(args) {
      lines.push(args.join(" "));
      return {
        ok: true,
        output: `⛅️ notice\n${JSON.stringify(secrets.map((name) => ({ name })))}\n`,
      };
    },
  };
  return { lines, wrangler };
}

const TOML = `
[[r2_buckets]]
binding = "BUCKET"
bucket_name = "acme-backups"
[vars.DATABASES.shop]
url = "libsql://shop-acme.turso.io"
token = "SHOP_TOKEN"
retain = { daily = "7d" }
`;

describe("deploying", () => {
  it("ships, migrates by binding and sets the lifecycle from the policy, in this order", async () => {
    const { lines, wrangler } = recorder();
    let written = "";
    const write = async (text: string) => void (written = text);
    const url = await deploy(wrangler, readProject(TOML), { path: "/tmp/rules.json", write });
    expect(lines).toEqual([
      "deploy",
      "d1 migrations apply DB --remote",
      "r2 bucket lifecycle set acme-backups --file /tmp/rules.json --force",
    ]);
    expect(url).toBe("https://nightjar.acme.workers.dev");
    const { rules } = JSON.parse(written) as { rules: unknown[] };
    expect(rules).toContainEqual({
      id: "nightjar daily shop",
      enabled: true,
      conditions: { prefix: "daily/shop/" },
      deleteObjectsTransition: { condition: { type: "Age", maxAge: 7 * 86_400 } },
    });
    expect(rules).toContainEqual(
      expect.objectContaining({
        conditions: { prefix: "" },
        abortMultipartUploadsTransition: { condition: { type: "Age", maxAge: 604_800 } },
      }),
    );
  });

  it("asks only for the secrets that are not there", async () => {
    const project = readProject(TOML);
    expect(await missingSecrets(recorder(["ADMIN_TOKEN"]).wrangler, project)).toEqual([
      "SIGNING_KEY",
      "SHOP_TOKEN",
    ]);
    const all = ["ADMIN_TOKEN", "SIGNING_KEY", "SHOP_TOKEN"];
    expect(await missingSecrets(recorder(all).wrangler, project)).toEqual([]);
  });

  it("refuses a mistake before anything is shipped", () => {
    expect(() => readProject(`${TOML}\nshedule = "0 0 * * *"`)).toThrow(
      /DATABASES\.shop\.shedule: unknown key/,
    );
  });

  it("asks for the keys of the second copy, and refuses one beside its original", async () => {
    const s3 = `${TOML}
[vars.COPY]
endpoint = "https://s3.example/acme"
accessKeyId = "COPY_KEY_ID"
secretAccessKey = "COPY_KEY"
`;
    const there = ["ADMIN_TOKEN", "SIGNING_KEY", "SHOP_TOKEN"];
    const missing = await missingSecrets(recorder(there).wrangler, readProject(s3));
    expect(missing).toEqual(["COPY_KEY_ID", "COPY_KEY"]);

    const bound = (bucket: string) => `[[r2_buckets]]
binding = "COPY_BUCKET"
bucket_name = "${bucket}"
${TOML}
[vars.COPY]
bucket = "binding"
`;
    expect(readProject(bound("acme-copies")).copy).toMatchObject({ bucket: "binding" });
    expect(() => readProject(bound("acme-backups"))).toThrow(/must be another bucket/);
    const unbound = `${TOML}\n[vars.COPY]\nbucket = "binding"`;
    expect(() => readProject(unbound)).toThrow(/needs the R2 binding COPY_BUCKET/);
    expect(() => readProject(`${TOML}\n[vars.COPY]\nbuckt = "x"`)).toThrow(/COPY\.buckt: unknown/);
  });

  it("finds the project's own wrangler.toml in order", () => {
    const own = readProject(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
    expect(own).toMatchObject({ bucket: "nightjar" });
  });
});
