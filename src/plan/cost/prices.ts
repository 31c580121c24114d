/**
 * List prices in US dollars, without what a plan includes: what a database would cost beside others that use up
 * the included amounts. Where a price has changed, this file is all that needs it.
 */
export const PRICES = {
  /** The day on which the vendors' pages were last compared. */
  asOf: "2026-11-29",
  /** https://developers.cloudflare.com/r2/pricing/ */
  r2: { gbMonth: 0.015, classA: 4.5e-6, classB: 0.36e-6 },
  /** https://developers.cloudflare.com/workers/platform/pricing/; Workflows cost the same. */
  workers: { request: 0.3e-6, cpuMs: 0.02e-6 },
  /** https://developers.cloudflare.com/d1/platform/pricing/ */
  d1: { rowWritten: 1e-6 },
  /** https://turso.tech/pricing, of the plan that bills them highest. A self-hosted server bills nothing. */
  turso: { rowRead: 1e-9, syncedGb: 0.35 },
} as const;
