/** Wrong tokens and links, counted by the address that they come from. */
export interface Attempts {
  /** Return true if an address must wait. */
  isBlocked(address: string): boolean;
  /** Count a wrong attempt. Return false if there were too many. */
  fail(address: string): Promise<boolean>;
}

/** Time for which an address must wait, ms: the period of the rate limit in wrangler.toml. */
const WAIT = 60_000;
/** Addresses that are remembered at most. */
const MOST = 10_000;

/** Addresses that must wait, and until when, ms. Each isolate has its own; the count is Cloudflare's. */
const blocked = new Map<string, number>();

/** Count attempts with a rate limit of Cloudflare's. @param limit undefined where none is bound */
export function attemptsOf(limit: RateLimit | undefined): Attempts {
  return {
    isBlocked(address) {
      const until = blocked.get(address);
      if (until !== undefined && until <= Date.now()) blocked.delete(address);
      return blocked.has(address);
    },
    async fail(address) {
      const { success } = (await limit?.limit({ key: address })) ?? { success: true };
      if (success) return true;
      if (blocked.size >= MOST) blocked.clear();
      blocked.set(address, Date.now() + WAIT);
      return false;
    },
  };
}
