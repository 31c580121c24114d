import type { DatabaseConfig } from "../../config/database.ts";
import { claimsOf } from "../../core/token-claims.ts";
import { asNightjarError, type NightjarError } from "../../errors/errors.ts";
import type { Method } from "../../model/manifest.ts";
import { probe } from "../../source/probe.ts";
import type { PlatformConfiguration } from "../../platform/platform.ts";
import type { Context } from "../../worker/context.ts";

/** What a database's server and its token are like now. */
export interface SourceReport {
  /** How the database can be read; undefined if its server does not say. */
  readonly method: Method | undefined;
  readonly error: NightjarError | undefined;
  /** How long the server took to tell, ms. */
  readonly ms: number;
  readonly token:
    { readonly expiresAt: number | undefined; readonly readOnly: boolean | undefined } | undefined;
}

/** Ask a database's server how it can be read. Nothing is remembered of the answer, and a failure is one. */
export async function probeSource(
  { sourceOf, deps }: Context,
  database: DatabaseConfig,
): Promise<SourceReport> {
  const begun = deps.now();
  let token: string | undefined;
  const report = (method: Method | undefined, error: NightjarError | undefined): SourceReport => ({
    ...{ method, error, ms: deps.now() - begun },
    token: token === undefined ? undefined : claimsOf(token),
  });
  try {
    const source = await sourceOf(database);
    ({ token } = source);
    const { method } = await probe(source, deps);
    return report(method, undefined);
  } catch (thrown) {
    return report(undefined, asNightjarError(thrown));
  }
}

/** What Turso lets happen to a database, or why it did not tell. */
export type TursoReport =
  | { readonly configuration: PlatformConfiguration; readonly error: undefined }
  | { readonly configuration: undefined; readonly error: NightjarError };

/** Ask Turso what it lets happen to a database; undefined for one that is not found through it. */
export async function probeTurso(
  { platform }: Context,
  { name, group }: DatabaseConfig,
): Promise<TursoReport | undefined> {
  if (platform === undefined || group === undefined) return undefined;
  try {
    return { configuration: await platform.readConfiguration(name), error: undefined };
  } catch (thrown) {
    return { configuration: undefined, error: asNightjarError(thrown) };
  }
}
