import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers by method and path, such as `GET /v1/databases`; anything but a function is sent as JSON. */
export type Answers = Record<
  string,
  object | ((request: IncomingMessage, response: ServerResponse) => void)
>;

/** Start a server that gives the command line whatever answers a test defines. */
export async function startFakeNightjar(answers: Answers) {
  const server = createServer((request, response) => {
    const path = new URL(request.url!, "http://x").pathname;
    const answer = answers[`${request.method} ${path}`];
    if (typeof answer === "function") return answer(request, response);
    response.setHeader("content-type", "application/json");
    if (answer === undefined) response.statusCode = 404;
    response.end(JSON.stringify(answer ?? { detail: `nothing at ${path}`, hint: "-", code: "X" }));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    env: { NIGHTJAR_URL: url, NIGHTJAR_TOKEN: "fake-token" },
    async stop() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** Build a backup as the API shows it, with the given fields. */
export function backupAnswer(fields: object = {}) {
  return {
    id: "aaaaaaaaaaaa",
    database: "shop",
    takenAt: "2026-11-20T03:00:00.000Z",
    tier: "daily",
    kind: "snapshot",
    name: null,
    rows: 1,
    pin: null,
    warnings: [],
    tables: [{ name: "t", rows: 1 }],
    schema: { userVersion: 0 },
    raw: { bytes: 8192, sha256: "0".repeat(64) },
    stored: { bytes: 300, sha256: "0".repeat(64) },
    verification: null,
    drill: null,
    knownBad: null,
    copy: null,
    ...fields,
  };
}
