import { messageOf, NightjarError } from "../errors/errors.ts";
import type {
  BackupWorkflows,
  CopyWorkflows,
  ProofWorkflows,
  RefreshWorkflows,
} from "./context.ts";
import type { CopyParams, Env, ProofParams, RefreshParams } from "./env.ts";

/** The Workflow that makes backups, over its binding. */
export function workflowsOf(binding: Env["BACKUP"]): BackupWorkflows {
  return {
    async create(runId) {
      await binding.create({ id: runId, params: { runId } });
    },
    status: async (runId) => statusOf(binding, runId),
  };
}

/** The Workflow that proves backups, over its binding. */
export function proofsOf(binding: Env["PROOF"]): ProofWorkflows {
  return {
    start: (backupId, act, moment) =>
      startOnce<ProofParams>(binding, `${act}-${backupId}-${moment}`, { backupId, act }),
  };
}

/** The Workflow that makes second copies, over its binding. */
export function copiesOf(binding: Env["SECOND_COPY"]): CopyWorkflows {
  return {
    start: (backupId, moment) =>
      startOnce<CopyParams>(binding, `copy-${backupId}-${moment}`, { backupId }),
  };
}

/** The Workflow that refreshes databases, over its binding. */
export function refreshesOf(binding: Env["REFRESH"]): RefreshWorkflows {
  const bound = () => {
    if (binding !== undefined) return binding;
    throw new NightjarError("CONFIG_INVALID", "wrangler.toml has no Workflow of binding REFRESH.", {
      hint: "Add it, and deploy again: docs/upgrading.md.",
    });
  };
  return {
    start: (refreshId) => startOnce<RefreshParams>(bound(), refreshId, { refreshId }),
    status: async (refreshId) => statusOf(bound(), refreshId),
  };
}

/** Create an instance, unless there is one with this id. */
async function startOnce<P>(binding: Workflow<P>, id: string, params: P): Promise<void> {
  if ((await statusOf(binding, id)) === "missing") await binding.create({ id, params });
}

/** Cloudflare has no error code for an instance that does not exist: its words are all that there is. */
async function statusOf<P>(
  binding: Workflow<P>,
  id: string,
): Promise<InstanceStatus["status"] | "missing"> {
  try {
    const instance = await binding.get(id);
    return (await instance.status()).status;
  } catch (error) {
    if (/not.?found/i.test(messageOf(error))) return "missing";
    throw error;
  }
}

/** Return true for the status of an instance that has not ended. */
export function isAtWork(status: InstanceStatus["status"] | "missing"): boolean {
  return ["queued", "running", "paused", "waiting", "waitingForPause"].includes(status);
}
