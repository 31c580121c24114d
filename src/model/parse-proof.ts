import * as v from "valibot";
import type { Proof } from "./proof.ts";
import {
  count,
  databaseName,
  id,
  misfit,
  moment,
  parseDocument,
  sha256,
  text,
} from "./document.ts";

const schema = v.looseObject({
  format: v.literal(1),
  nightjar: text,
  act: v.picklist(["verify", "drill"]),
  backup: id,
  database: databaseName,
  key: text,
  proofKey: text,
  runId: v.nullable(text),
  startedAt: moment,
  finishedAt: moment,
  outcome: v.picklist(["verified", "corrupt", "passed", "failed", "unproven"]),
  problem: v.nullable(v.looseObject({ code: text, message: v.string(), hint: v.string() })),
  checks: v.array(v.looseObject({ name: v.string(), ok: v.boolean(), detail: v.string() })),
  tables: v.array(v.looseObject({ name: v.string(), rows: count, sha256 })),
  recoveryMs: v.nullable(v.pipe(v.number(), v.finite(), v.minValue(0))),
});

/** The facts that the key of a proof determines. */
export interface ProofPlace {
  readonly key: string;
  /** The key without `pinned/`: a copy of a proof names the key at which the proof was written. */
  readonly own: string;
  readonly database: string;
  readonly id: string;
}

/** Parse a proof, and check that it matches its own key. @throws NightjarError `OBJECT_CORRUPT` */
export function parseProof(json: string, { key, own, database, id: backup }: ProofPlace): Proof {
  const proof = parseDocument<Proof>("a proof", key, json, schema);
  if (proof.backup !== backup || proof.database !== database)
    throw misfit("the proof of its key", key, "it is of another backup");
  if (proof.proofKey !== key && proof.proofKey !== own)
    throw misfit("the proof of its key", key, "its proofKey differs");
  const bad = proof.outcome === "corrupt" || proof.outcome === "failed";
  if (bad && proof.problem === null)
    throw misfit("a proof", key, `it is ${proof.outcome} without a problem`);
  return proof;
}
