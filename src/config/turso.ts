import type { DatabaseConfig } from "./database.ts";

/** Placeholder. */
export interface TursoConfig {
  readonly written: unknown;
  protects(found: {
    name: string;
    group: string;
  }): "group" | "not-included" | "excluded" | undefined;
  allSettings(): DatabaseConfig[];
  settingsOf(found: {
    name: string;
    hostname: string;
    group: string;
    cipher: string | null;
  }): DatabaseConfig;
}
