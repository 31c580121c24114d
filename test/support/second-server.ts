import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QUIET } from "../../scripts/lib/local-worker.ts";
import { WRANGLER } from "../../scripts/lib/paths.ts";
import { freePort, type ServerProcess, startServer } from "../../scripts/lib/server-process.ts";
import type { S3Keys } from "../../src/store/second/s3-request.ts";

export interface SecondServer extends ServerProcess {
  /** Address of the bucket, path style. */
  endpoint: string;
  keys: S3Keys;
}

const BUCKET = "second";

/**
 * Start another account's bucket: the S3 endpoint of a separate `wrangler dev`, which checks signatures as R2
 * does. It can neither list uploads nor set a lifecycle.
 */
export async function startSecondServer(dir: string): Promise<SecondServer> {
  const keys = { accessKeyId: "second-key-id", secretAccessKey: `far-${crypto.randomUUID()}` };
  await writeFile(
    join(dir, "wrangler.toml"),
    `name = "second"
main = "worker.js"
compatibility_date = "2026-10-01"
[[r2_buckets]]
binding = "BUCKET"
bucket_name = "${BUCKET}"
[r2_buckets.local_dev.experimental_s3_credentials]
accessKeyId = "${keys.accessKeyId}"
secretAccessKey = "${keys.secretAccessKey}"
`,
  );
  await writeFile(
    join(dir, "worker.js"),
    'export default { fetch: () => new Response("second") };\n',
  );
  const port = await freePort();
  const own = ["--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0"];
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer({
    name: "the second store",
    command: process.execPath,
    args: [WRANGLER, "dev", ...own, "--persist-to", join(dir, "state")],
    cwd: dir,
    env: QUIET,
    url,
  });
  return { ...server, endpoint: `${url}/cdn-cgi/local/r2/s3/${BUCKET}`, keys };
}
