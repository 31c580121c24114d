import { openCatalog } from "../catalog/open.ts";
import { type Config, loadConfig } from "../config/load.ts";
import { systemDeps } from "../core/deps.ts";
import { log } from "../core/log.ts";
import { secondR2 } from "../store/second/r2.ts";
import { S3Client } from "../store/second/s3-request.ts";
import { secondS3 } from "../store/second/s3.ts";
import type { SecondStore } from "../store/second/second-store.ts";
import { attemptsOf } from "./attempts.ts";
import type { Context } from "./context.ts";
import type { Env } from "./env.ts";
import { followersOf } from "./follower-rpc.ts";
import { guardedBucket } from "./guarded-bucket.ts";
import { isolateMemory } from "./memory.ts";
import { copiesOf, proofsOf, refreshesOf, workflowsOf } from "./workflows.ts";
import { Fleet } from "./fleet.ts";
import { platformFor, sourcesOf } from "./sources.ts";

/**
 * Make the context of one invocation from the Worker's bindings.
 *
 * @param keepAlive the invocation's `waitUntil`; without it, the work ends when the invocation does
 * @throws NightjarError `CONFIG_INVALID`
 */
export function openContext(
  env: Env,
  keepAlive: (work: Promise<void>) => void = () => undefined,
): Context {
  const config = loadConfig(env as unknown as Record<string, unknown>);
  log.debugs = config.logLevel === "debug";
  const catalog = openCatalog(env.DB);
  const platform = platformFor(config, systemDeps);
  return {
    config,
    catalog,
    fleet: new Fleet(config, catalog),
    sourceOf: sourcesOf(config, systemDeps, platform),
    platform,
    bucket: guardedBucket(env.BUCKET, catalog, config.signingKey, config.formerSigningKeys),
    workflows: workflowsOf(env.BACKUP),
    proofs: proofsOf(env.PROOF),
    copies: copiesOf(env.SECOND_COPY),
    refreshes: refreshesOf(env.REFRESH),
    secondStore: secondStoreOf(config, env.COPY_BUCKET),
    followers: followersOf(env.FOLLOWER),
    deps: systemDeps,
    memory: isolateMemory,
    attempts: attemptsOf(env.ATTEMPTS),
    email: env.EMAIL,
    keepAlive,
  };
}

function secondStoreOf(
  { copy, copyKeys }: Config,
  bucket: R2Bucket | undefined,
): SecondStore | undefined {
  if (copy === undefined) return undefined;
  if ("bucket" in copy) return secondR2(bucket!, copy.prefix); // the configuration made sure of it
  const client = new S3Client(copy, copyKeys!, systemDeps);
  return secondS3(client, `${copy.endpoint}/${copy.prefix}`, copy.prefix);
}
