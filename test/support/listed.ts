import { type Discovered, enterDiscovered } from "../../src/catalog/fleet/discovered.ts";
import type { Catalog } from "../../src/catalog/open.ts";

/** The section TURSO of tests, and the secret that it names. */
export const TURSO = { organization: "acme", token: "TURSO_PLATFORM_TOKEN" };
export const TURSO_SECRETS = { TURSO_PLATFORM_TOKEN: "platform-token" };

type Some = Partial<Discovered> & Pick<Discovered, "name">;

/** Enter databases in the catalog as if Turso's list had them. */
export function enterListed(catalog: Catalog, databases: readonly Some[]): Promise<unknown> {
  const rows = databases.map((one) => ({
    ...{ tursoId: `id-${one.name}`, hostname: `${one.name}-acme.turso.io`, group: "default" },
    ...{ readsBlocked: false, deleteProtected: false, cipher: null, firstSeenAt: 1, goneAt: null },
    ...one,
  }));
  return enterDiscovered(catalog, rows);
}

/** Return names of a fleet, in their order: `acme-000`, `acme-001` … */
export function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `acme-${String(at).padStart(3, "0")}`);
}
