import { record } from "../../audit/record.ts";
import { listAudit } from "../../catalog/access/audit.ts";
import { log } from "../../core/log.ts";
import { fingerprint } from "../../format/bytes/hash.ts";
import { NIGHTJAR } from "../../model/actor.ts";
import type { Context } from "../../worker/context.ts";

/** Characters of a setting's fingerprint that are kept. */
const KEPT = 12;

/**
 * Record the configuration if it is another one than at the last look: which databases were added, removed
 * or changed. Secrets are no part of it. A failure is logged, as the runs of the minute must start.
 *
 * @param changed is called before that is recorded, and again if it fails
 */
export async function noteConfiguration(
  context: Context,
  changed: () => Promise<unknown>,
): Promise<void> {
  try {
    const { catalog, config } = context;
    const now = new Map<string, string>([["COPY", short(config.copy)]]);
    if (config.turso !== undefined) now.set("TURSO", short(config.turso.written));
    for (const [name, database] of config.databases) now.set(name, short(database));
    const [last] = await listAudit(catalog, { action: "configuration" }, 1);
    const before = new Map(last === undefined ? [] : settingsIn(last.detail));
    const added = [...now.keys()].filter((name) => !before.has(name));
    const removed = [...before.keys()].filter((name) => !now.has(name));
    const others = [...now].filter(([name, value]) => (before.get(name) ?? value) !== value);
    if (added.length + removed.length + others.length === 0) return;
    await changed();
    await record(context, {
      ...{ by: NIGHTJAR, action: "configuration", outcome: "done" },
      detail: {
        ...{ added, removed, changed: others.map(([name]) => name) },
        settings: [...now].map((setting) => setting.join("=")),
      },
    });
  } catch (thrown) {
    log.error("act-not-recorded", thrown, { action: "configuration" });
  }
}

function short(setting: unknown): string {
  return fingerprint(JSON.stringify(setting ?? null, withMaps)).slice(0, KEPT);
}

/** JSON has no maps, and would take any two for the same. */
function withMaps(_: string, value: unknown): unknown {
  return value instanceof Map ? [...(value as Map<unknown, unknown>)] : value;
}

/** Read the settings of a row that this Nightjar has written. */
function settingsIn(detail: string): [string, string][] {
  const { settings = [] } = JSON.parse(detail) as { settings?: readonly string[] };
  return settings.map((setting) => setting.split("=") as [string, string]);
}
