import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import type { NightjarError } from "../../../src/errors/errors.ts";
import {
  type Platform,
  type PlatformDatabase,
  platformOf,
} from "../../../src/platform/platform.ts";
import {
  type PlatformFault,
  type PlatformStandIn,
  type StandInDatabase,
  type StandInOrganization,
} from "../../support/platform-stand-in.ts";

/** The platform token of the tests; it must be in no error. */
export const TOKEN = "eyJhbGciOiJSUzI1NiJ9.platform-token.signature";

/** Path of a listing, as faults match it. */
export const LIST = String.raw`^GET /v1/organizations/acme/databases\?`;

/** Give the stand-in the organization acme. */
export function acme(
  standIn: PlatformStandIn,
  databases: readonly StandInDatabase[],
  more: Partial<StandInOrganization> = {},
): StandInOrganization {
  const organization = { databases, token: TOKEN, ...more };
  standIn.organizations.set("acme", organization);
  standIn.requests.length = 0;
  return organization;
}

/** Make a client of the stand-in; it pauses for no time, and `pauses` tells for how long it meant to, ms. */
export function clientOf(
  { url }: Pick<PlatformStandIn, "url">,
  more: { deps?: Partial<Deps>; token?: string; patience?: number; organization?: string } = {},
): Platform & { pauses: number[] } {
  const pauses: number[] = [];
  const deps: Deps = {
    ...systemDeps,
    sleep: async (ms) => void pauses.push(ms),
    ...more.deps,
  };
  const platform = platformOf({ api: url, organization: "acme", token: TOKEN, ...more, deps });
  return { ...platform, pauses };
}

/** List all databases; the error if there is one, and what was listed until then. */
export async function listAll(
  platform: Platform,
): Promise<{ databases: PlatformDatabase[]; error: NightjarError | undefined }> {
  const databases: PlatformDatabase[] = [];
  try {
    for await (const page of platform.listDatabases()) databases.push(...page);
    return { databases, error: undefined };
  } catch (thrown) {
    return { databases, error: thrown as NightjarError };
  }
}

/** Return the error of a request. */
export async function errorOf(request: Promise<unknown>): Promise<NightjarError> {
  return request.then(
    () => {
      throw new Error("it was answered");
    },
    (thrown: unknown) => thrown as NightjarError,
  );
}

/** Faults that a listing meets again and again. */
export function always(fault: Omit<PlatformFault, "match">): PlatformFault[] {
  return [{ match: LIST, times: Infinity, ...fault }];
}
