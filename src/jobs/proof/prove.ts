import { existingBackup, recordProof } from "../../catalog/backups.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import type { Manifest } from "../../model/manifest.ts";
import { parseProof, type ProofPlace } from "../../model/parse-proof.ts";
import type { Act, Outcome, Proof, ProofSummary } from "../../model/proof.ts";
import { readDocument, writeDocument } from "../../store/document.ts";
import type { GuardedBucket } from "../../store/guarded-bucket.ts";
import { ownKey, proofKey, proofPrefix } from "../../store/keys.ts";
import { listKeys } from "../../store/list.ts";
import { VERSION } from "../../core/version.ts";
import { drillBackup } from "./drill.ts";
import { inTurn, proofCost } from "../../worker/memory.ts";
import { verifyBackup } from "./verify.ts";

/**
 * Seconds to try for a free key: a key's stamp has whole seconds, so several proofs of one second take
 * the next ones.
 */
const SECONDS = 30;

/** The results of checking a backup. */
type Found = Pick<Proof, "outcome" | "problem" | "checks" | "tables" | "recoveryMs">;

/**
 * Verify a backup or drill it, write the proof beside it, and record its summary in the catalog.
 *
 * @param runId the run that this belongs to; null for a proof of its own
 * @throws NightjarError `BACKUP_NOT_FOUND`; `STORE_FAILED` or `CATALOG_FAILED`: nothing is known then
 */
export async function prove(
  context: Context,
  backupId: string,
  act: Act,
  runId: string | null = null,
): Promise<Proof> {
  const { catalog, deps } = context;
  const { manifest } = await existingBackup(catalog, backupId);
  const startedAt = new Date(deps.now()).toISOString();
  const found = await inTurn(context, proofCost(manifest, act), () =>
    act === "verify" ? verified(context, manifest) : drillBackup(context, manifest),
  );
  await existingBackup(catalog, backupId); // a backup that was pruned meanwhile is not missing

  const finishedAt = new Date(deps.now()).toISOString();
  const { id: backup, database, key } = manifest;
  const facts = { format: 1, nightjar: VERSION, act, backup, database, key } as const;
  const proof = await write(context, manifest, (place) => ({
    ...facts,
    proofKey: place,
    runId,
    startedAt,
    finishedAt,
    ...found,
  }));
  await recordProof(catalog, backupId, act, summaryOf(proof));
  logProof(proof);
  return proof;
}

/** Return the summary of a proof that the catalog keeps. */
export function summaryOf(proof: Proof): ProofSummary {
  const { outcome, finishedAt: at, problem, recoveryMs } = proof;
  return { outcome, at, proofKey: proof.proofKey, problem, recoveryMs };
}

async function verified(context: Context, manifest: Manifest): Promise<Found> {
  const { checks, problem } = await verifyBackup(context, manifest);
  const outcome: Outcome = problem === null ? "verified" : "corrupt";
  return { outcome, problem, checks, tables: [], recoveryMs: null };
}

/** Write a proof under the first free key: a proof is never replaced. */
async function write(
  { bucket, deps }: Context,
  manifest: Manifest,
  proofAt: (key: string) => Proof,
): Promise<Proof> {
  for (let second = 0; ; second++) {
    const proof = proofAt(proofKey(manifest.manifestKey, deps.now() + second * 1000));
    try {
      await writeDocument(bucket, proof.proofKey, `${JSON.stringify(proof, undefined, 2)}\n`);
      return proof;
    } catch (thrown) {
      if (asNightjarError(thrown).code !== "STORE_CONFLICT" || second === SECONDS) throw thrown;
    }
  }
}

function logProof({ act, outcome, backup, database, problem, proofKey: proof }: Proof): void {
  const about = { backup, database, act, outcome, proof };
  if (problem === null) log.info("backup-proven", about);
  else log.error("backup-not-proven", new NightjarError(problem.code, problem.message), about);
}

/** Return the facts that the key of a proof determines. */
export function proofPlace(
  key: string,
  { database, id }: Pick<Manifest, "database" | "id">,
): ProofPlace {
  return { key, own: ownKey(key), database, id };
}

/**
 * Read the proofs of a backup, oldest first.
 *
 * @throws NightjarError `STORE_FAILED`, `OBJECT_CORRUPT`
 */
export async function proofsOf(bucket: GuardedBucket, manifest: Manifest): Promise<Proof[]> {
  const proofs: Proof[] = [];
  const keys = await listKeys(bucket, proofPrefix(manifest.manifestKey));
  await bucket.expect(keys);
  for (const key of keys) {
    const text = await readDocument(bucket, key);
    if (text !== null) proofs.push(parseProof(text, proofPlace(key, manifest)));
  }
  return proofs;
}
