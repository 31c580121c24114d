/**
 * The folders of src/ and what each may import; docs/design.md says what belongs in each. From the rooms in
 * `types`, only types may be imported; these leave no trace in the bundle.
 */
export interface Room {
  readonly may: readonly string[];
  readonly types?: readonly string[];
}

export const ROOMS: Readonly<Record<string, Room>> = {
  errors: { may: [] },
  core: { may: ["errors"] },
  plan: { may: [], types: ["model"] },
  format: { may: ["errors"] },
  model: { may: ["errors", "plan"], types: ["format"] },
  config: { may: ["errors", "format", "plan"] },
  platform: { may: ["core", "errors"] },
  libsql: { may: ["core", "errors", "format"] },
  source: { may: ["core", "errors", "format", "libsql"], types: ["model"] },
  target: { may: ["core", "errors", "format", "libsql", "sqlite"], types: ["model"] },
  erase: { may: ["errors", "format"] },
  sqlite: { may: ["erase", "errors", "format"] },
  store: { may: ["core", "errors", "format", "model", "plan"], types: ["config"] },
  catalog: { may: ["core", "errors", "model", "plan"] },
  worker: {
    may: ["catalog", "config", "core", "errors", "format", "libsql", "plan", "platform", "store"],
    types: ["index.ts", "model"],
  },
  audit: { may: ["catalog", "core", "errors", "model", "store", "worker"] },
  read: {
    may: [
      ...["catalog", "config", "core", "errors", "format", "model", "plan", "sqlite", "store"],
      "worker",
    ],
  },
  notify: {
    may: ["catalog", "config", "core", "errors", "format", "model", "plan", "read", "worker"],
  },
  jobs: {
    may: [
      ...["audit", "catalog", "config", "core", "errors", "format", "libsql", "model", "notify"],
      ...["plan", "read", "source", "sqlite", "store", "target", "worker"],
    ],
    types: ["platform"],
  },
  web: { may: ["core", "plan"], types: ["http"] },
  http: {
    may: [
      ...["audit", "catalog", "config", "core", "errors", "format", "jobs", "model", "notify"],
      ...["plan", "read", "store", "web", "worker"],
    ],
  },
  cli: {
    may: [
      ...["config", "core", "erase", "errors", "format", "libsql", "model", "plan", "sqlite"],
      "target",
    ],
    types: ["http"],
  },
  "index.ts": {
    may: ["core", "errors", "http", "jobs", "worker"],
  },
};

/** Rooms that do no I/O: they import no platform module that could. */
export const PURE: readonly string[] = [
  "errors",
  "plan",
  "format",
  "model",
  "config",
  "erase",
  "web",
];
