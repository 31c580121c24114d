import type { ArgsDef, CommandDef } from "citty";
import { migration, profile } from "./args.ts";

// eslint-disable-next-line typescript/no-explicit-any -- each command has arguments of its own
export type Command = CommandDef<any>;

/** The commands by their names, which may have two words. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  login: () => import("../commands/account/login.ts").then((module) => module.default),
  logout: () => import("../commands/account/logout.ts").then((module) => module.default),
  profiles: () => import("../commands/account/profiles.ts").then((module) => module.default),
  init: () => import("../commands/account/init.ts").then((module) => module.default),
  completion: () => import("../commands/account/completion.ts").then((module) => module.default),
  status: () => import("../commands/watch/status.ts").then((module) => module.default),
  databases: () => import("../commands/watch/databases.ts").then((module) => module.default),
  coverage: () => import("../commands/watch/coverage.ts").then((module) => module.default),
  doctor: () => import("../commands/watch/doctor.ts").then((module) => module.default),
  health: () => import("../commands/watch/health.ts").then((module) => module.default),
  backup: () => import("../commands/backup.ts").then((module) => module.default),
  gate: () => import("../commands/gate.ts").then((module) => module.default),
  badge: () => import("../commands/badge.ts").then((module) => module.default),
  run: () => import("../commands/watch/run.ts").then((module) => module.default),
  runs: () => import("../commands/watch/runs.ts").then((module) => module.default),
  list: () => import("../commands/list.ts").then((module) => module.default),
  pull: () => import("../commands/pull.ts").then((module) => module.default),
  export: () => import("../commands/rows/export.ts").then((module) => module.default),
  import: () => import("../commands/rows/import.ts").then((module) => module.default),
  url: () => import("../commands/link/url.ts").then((module) => module.default),
  "link list": () => import("../commands/link/list.ts").then((module) => module.default),
  "link revoke": () => import("../commands/link/revoke.ts").then((module) => module.default),
  restore: () => import("../commands/restore.ts").then((module) => module.default),
  refresh: () => import("../commands/refresh.ts").then((module) => module.default),
  query: () => import("../commands/query.ts").then((module) => module.default),
  diff: () => import("../commands/diff.ts").then((module) => module.default),
  history: () => import("../commands/history.ts").then((module) => module.default),
  timeline: () => import("../commands/timeline.ts").then((module) => module.default),
  "log pull": () => import("../commands/log/pull.ts").then((module) => module.default),
  verify: () => import("../commands/verify.ts").then((module) => module.default),
  drill: () => import("../commands/drill.ts").then((module) => module.default),
  proofs: () => import("../commands/proofs.ts").then((module) => module.default),
  pin: () => import("../commands/pin/pin.ts").then((module) => module.default),
  unpin: () => import("../commands/pin/unpin.ts").then((module) => module.default),
  copy: () => import("../commands/copy.ts").then((module) => module.default),
  erase: () => import("../commands/erasure/erase.ts").then((module) => module.default),
  erasures: () => import("../commands/erasure/erasures.ts").then((module) => module.default),
  prune: () => import("../commands/prune.ts").then((module) => module.default),
  "token create": () => import("../commands/token/create.ts").then((module) => module.default),
  "token list": () => import("../commands/token/list.ts").then((module) => module.default),
  "token revoke": () => import("../commands/token/revoke.ts").then((module) => module.default),
  "approval list": () => import("../commands/approval/list.ts").then((module) => module.default),
  "approval grant": () => import("../commands/approval/grant.ts").then((module) => module.default),
  "approval deny": () => import("../commands/approval/deny.ts").then((module) => module.default),
  "alert list": () => import("../commands/alert/list.ts").then((module) => module.default),
  "alert show": () => import("../commands/alert/show.ts").then((module) => module.default),
  "alert channels": () => import("../commands/alert/channels.ts").then((module) => module.default),
  "alert test": () => import("../commands/alert/test.ts").then((module) => module.default),
  audit: () => import("../commands/audit.ts").then((module) => module.default),
  reconcile: () => import("../commands/reconcile.ts").then((module) => module.default),
  rebuild: () => import("../commands/rebuild.ts").then((module) => module.default),
};

/** Other names of commands. */
export const ALIASES: Readonly<Record<string, string>> = { download: "pull" };

/** Load a command, with the options that all have, and those with a backup. */
export async function loadCommand(name: string): Promise<{ command: Command; args: ArgsDef }> {
  const command = await COMMANDS[name]!();
  const own = (await command.args) as ArgsDef;
  const args = {
    ...own,
    ...(own["backup"] !== undefined && own["migration"] === undefined && { migration }),
    ...(needsServer(name) && { profile }),
  };
  return { command: { ...command, args }, args };
}

/** Commands that work on this machine alone. */
const LOCAL: ReadonlySet<string> = new Set(["completion", "import", "login", "logout", "profiles"]);

function needsServer(name: string): boolean {
  return !LOCAL.has(name);
}
