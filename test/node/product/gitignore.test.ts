import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";

/** A repository that contains only this one's .gitignore. */
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "nightjar-ignore-"));
  execFileSync("git", ["init", "-q", dir]);
  copyFileSync(join(ROOT, ".gitignore"), join(dir, ".gitignore"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ignored = (path: string) =>
  spawnSync("git", ["check-ignore", "-q", "--no-index", path], { cwd: dir }).status === 0;

it.each([
  ...["shop.db", "shop.db-wal", "shop.db-shm", "shop.db.zst", "shop.db.zst.age", "dev.db.gz"],
  ...["shop.db.before-20261121T000000Z", "shop.db.4711.restoring", "shop.db.4711.part"],
  ...["shop.sql", "shop.sql.gz", "shop.sql.zst", "shop.libsql.sql", "copies/shop.sql", "x.zst"],
  ...["backup.age", "identity.txt", "identity", "keys/shop-identity.txt", "my.identity.age"],
  ...["nightjar-owner-nightjar-0.1.0.tgz", "dist/nightjar.js", ".wrangler/local-8787/x"],
  ...[".dev.vars", "src/shop.db", "test/identity.txt"],
])("%s is never committed", (path) => {
  expect(ignored(path)).toBe(true);
});

it.each([
  ...["migrations/0004_new.sql", "migrations/meta/0004_snapshot.json", "test/golden/x.sql.zst"],
  ...["test/golden/format-2/a.db.zst", "src/cli/identity.ts", "src/format/identity-kinds.ts"],
  ...["test/node/identity.test.ts", "docs/identity.md", "docs/limits.md", ".dev.vars.example"],
  ...["src/sqlite/write-sql.ts", "src/format/database-file.ts", "README.md"],
])("%s is part of the project", (path) => {
  expect(ignored(path)).toBe(false);
});
