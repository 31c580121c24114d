/**
 * What a token may do. Each scope includes `read`, `download:raw` includes `download`, and `admin` includes
 * all others. `download:raw` matters only for a database whose `sanitize` is `required`.
 */
export const SCOPES = ["read", "backup", "download", "download:raw", "restore", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

/** What somebody may do, and with which databases. */
export interface Rights {
  readonly scopes: readonly Scope[];
  /** Undefined for all databases, those of the future too. */
  readonly databases: readonly string[] | undefined;
}

/** Return true if the rights include a scope, whatever the database. */
export function hasScope({ scopes }: Rights, scope: Scope): boolean {
  return (
    scopes.includes("admin") ||
    scopes.includes(scope) ||
    (scope === "download" && scopes.includes("download:raw")) ||
    (scope === "read" && scopes.length > 0)
  );
}

/** Return true if the rights reach what concerns a database, or, as null, all of them. */
export function reachesWhole(rights: Rights, database: string | null): boolean {
  return database === null ? rights.databases === undefined : reaches(rights, database);
}

/** Return the databases that a list may be of: the one that is asked for, or all. Undefined for every one. */
export function listable(rights: Rights, asked: string | undefined): readonly string[] | undefined {
  if (asked === undefined) return rights.databases;
  return reaches(rights, asked) ? [asked] : [];
}

/** Return true if the rights reach a database, whatever the scope. */
export function reaches({ databases }: Rights, database: string): boolean {
  return databases === undefined || databases.includes(database);
}
