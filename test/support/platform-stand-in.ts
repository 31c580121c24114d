import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { makeTokenKey, type TokenKey } from "./source-token.ts";

/** A database of the stand-in. Members that are left out are as in a new one. */
export interface StandInDatabase {
  readonly name: string;
  /** By default `id-<name>`. */
  readonly id?: string;
  /** The host of its server, perhaps with a port; by default `<name>-<organization>.turso.io`. */
  readonly hostname?: string;
  /** By default `default`. */
  readonly group?: string;
  readonly readsBlocked?: boolean;
  readonly deleteProtected?: boolean;
  readonly cipher?: string;
  readonly allowedIps?: readonly string[];
  /** Members of its entry in the list that are replaced as they are. */
  readonly raw?: Readonly<Record<string, unknown>>;
}

/** What the stand-in does wrong with the requests whose method and path fit. */
export interface PlatformFault {
  /** A regular expression over `GET /v1/organizations/acme/databases?limit=100`. */
  readonly match: string;
  /** Number of requests that it meets; all if left out. */
  times?: number;
  /** The answer's status; 200 and the true answer if left out. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The answer's text, in place of the true one; `<token>` in it becomes the token that was sent. */
  readonly body?: string;
  /** Pause before the answer, ms. */
  readonly delay?: number;
  /** Bytes after which the connection is cut. */
  readonly cutAfter?: number;
  /** Spaces before the body, in MB. */
  readonly padding?: number;
}

/** An organization of the stand-in. */
export interface StandInOrganization {
  readonly databases: readonly StandInDatabase[];
  /** The only token of the platform API. */
  readonly token: string;
  /** Databases of a page at most, whatever the request asks for; by default 100. */
  readonly pageSize?: number;
  /** True if the token may make none for a group. */
  readonly refusesGroupTokens?: boolean;
  readonly faults?: PlatformFault[];
}

export interface StandInOptions {
  /** Organizations by their slugs. */
  readonly organizations?: Readonly<Record<string, StandInOrganization>>;
  /** The key of the servers that take its tokens. */
  readonly key?: TokenKey;
  readonly port?: number;
}

/** The stand-in that runs. */
export interface PlatformStandIn {
  readonly url: string;
  /** The key file of a server that takes the tokens of databases and groups. */
  readonly pem: string;
  /** Organizations by their slugs; tests change them at will. */
  readonly organizations: Map<string, StandInOrganization>;
  /** Every request, `GET /v1/…`, in the order in which they came. */
  readonly requests: string[];
  /** Most requests that were under way at the same time. */
  readonly mostAtOnce: () => number;
  stop(): Promise<void>;
}

/**
 * Start a stand-in for Turso's platform API, written from its documentation and from its clients' source, because
 * the real one is not available here. It pages through databases, makes tokens that a libSQL server with its key
 * takes, and fails as it is told.
 *
 * From another process: `PUT /control/<organization>` with a `StandInOrganization` as JSON replaces one;
 * `GET /control/<organization>` answers with `{ pem, requests }`, its requests until then.
 */
export async function startPlatformStandIn({
  organizations = {},
  key = makeTokenKey(),
  port = 0,
}: StandInOptions = {}): Promise<PlatformStandIn> {
  const known = new Map(Object.entries(organizations));
  const requests: string[] = [];
  let [under, most] = [0, 0];

  const control = async (slug: string, request: IncomingMessage): Promise<object> => {
    if (request.method === "PUT")
      known.set(slug, JSON.parse(await text(request)) as StandInOrganization);
    const own = requests.filter((one) => one.includes(`/v1/organizations/${slug}/`));
    return { pem: key.pem, requests: own };
  };
  const mint = (query: URLSearchParams): [number, object] => {
    const hours = /^(\d+)h$/.exec(query.get("expiration") ?? "")?.[1];
    if (hours === undefined) return [400, { error: "Invalid expiration format" }];
    const exp = Math.floor(Date.now() / 1000) + Number(hours) * 3600;
    const a = query.get("authorization") === "read-only" ? "ro" : "rw";
    return [200, { jwt: key.sign({ exp, a }) }];
  };
  const answer = (method: string, url: URL, slug: string, token: string): [number, object] => {
    const organization = known.get(slug);
    if (organization === undefined) return [404, { error: `organization ${slug} not found` }];
    if (token !== organization.token) return [401, { error: `invalid token ${token}` }];
    const { databases, pageSize = 100, refusesGroupTokens = false } = organization;
    const route = `${method} ${url.pathname.split("/").slice(4).join("/")}`;
    const named = (name: string) => databases.find((one) => one.name === decodeURIComponent(name));
    const [, minted] = /^POST databases\/([^/]+)\/auth\/tokens$/.exec(route) ?? [];
    const [, group] = /^POST groups\/([^/]+)\/auth\/tokens$/.exec(route) ?? [];
    const [, configured] = /^GET databases\/([^/]+)\/configuration$/.exec(route) ?? [];
    if (route === "GET databases") {
      const limit = Math.min(Number(url.searchParams.get("limit") ?? pageSize), pageSize);
      const from = Number((url.searchParams.get("cursor") ?? "after-0").replace("after-", ""));
      const page = databases.slice(from, from + limit).map((one) => entryOf(one, slug));
      const next = from + limit < databases.length ? `after-${from + limit}` : null;
      return [200, { databases: page, pagination: { next } }];
    }
    if (group !== undefined && refusesGroupTokens) return [403, { error: "missing scope" }];
    if (group !== undefined) {
      const of = decodeURIComponent(group);
      return databases.some((one) => (one.group ?? "default") === of)
        ? mint(url.searchParams)
        : [404, { error: `group ${of} not found` }];
    }
    if (minted !== undefined && named(minted) !== undefined) return mint(url.searchParams);
    const database = configured === undefined ? undefined : named(configured);
    if (database === undefined) return [404, { error: "could not find database" }];
    return [200, configurationOf(database)];
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url!, "http://stand-in");
    const [, first, , slug = ""] = url.pathname.split("/");
    if (first === "control") {
      response.end(JSON.stringify(await control(url.pathname.split("/")[2]!, request)));
      return;
    }
    const line = `${request.method} ${request.url}`;
    requests.push(line);
    const token = (request.headers.authorization ?? "").replace(/^Bearer /, "");
    const fault = known
      .get(slug)
      ?.faults?.find(({ match, times = 1 }) => times > 0 && new RegExp(match).test(line));
    if (fault?.times !== undefined) fault.times--;
    if (fault?.delay) await pause(fault.delay, response);
    if (response.destroyed) return;
    const [status, body] = answer(request.method!, url, slug, token);
    const bytes = Buffer.from(fault?.body?.replaceAll("<token>", token) ?? JSON.stringify(body));
    response.writeHead(fault?.status ?? status, {
      "content-type": "application/json",
      ...fault?.headers,
    });
    for (let mb = 0; mb < (fault?.padding ?? 0) && !response.destroyed; mb++)
      await new Promise((resolve) => response.write(" ".repeat(2 ** 20), resolve));
    if (fault?.cutAfter === undefined) response.end(bytes);
    else response.write(bytes.subarray(0, fault.cutAfter), () => response.destroy());
  };
  const server = createServer((request, response) => {
    most = Math.max(most, ++under);
    response.on("close", () => under--);
    void serve(request, response).catch((error: unknown) =>
      response.writeHead(599).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    pem: key.pem,
    organizations: known,
    requests,
    mostAtOnce: () => most,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Resolve after a time, ms, or when nobody waits for the answer any more. */
async function pause(ms: number, response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    response.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A database as the API lists it. */
function entryOf(database: StandInDatabase, organization: string): object {
  const { name, id = `id-${name}`, group = "default", cipher, raw } = database;
  return {
    ...{ Name: name, DbId: id, group, type: "logical", version: "v1", sleeping: false },
    Hostname: database.hostname ?? `${name}-${organization}.turso.io`,
    ...{ regions: ["aws-eu-west-1"], primaryRegion: "aws-eu-west-1" },
    ...{ block_reads: database.readsBlocked ?? false, block_writes: false },
    delete_protection: database.deleteProtected ?? false,
    ...(cipher !== undefined && { encryption_cipher: cipher }),
    ...raw,
  };
}

function configurationOf(database: StandInDatabase): object {
  return {
    ...{ size_limit: "0", allow_attach: false, block_writes: false },
    block_reads: database.readsBlocked ?? false,
    delete_protection: database.deleteProtected ?? false,
    ...(database.allowedIps !== undefined && { allowed_ips: database.allowedIps }),
  };
}

// `node test/support/platform-stand-in.ts <port>`: the stand-in beside a Worker, told what to be over /control.
if (import.meta.main) {
  const { url } = await startPlatformStandIn({ port: Number(process.argv[2] ?? 0) });
  console.log(url);
}
