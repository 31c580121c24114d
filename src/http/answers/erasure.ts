import * as v from "valibot";
import { count, moment, said, SHA } from "./parts.ts";

const stored = {
  format: count,
  id: v.string(),
  database: v.string(),
  table: v.string(),
  column: v.string(),
  salt: v.string(),
  keyHash: said(v.string(), "An HMAC of the key; the key itself is kept nowhere."),
  secretId: v.optional(v.string()),
  at: moment,
  who: v.string(),
};
export const erasureAnswer = v.object({
  ...stored,
  hmacKey: said(v.optional(v.string()), "Opens this entry only."),
  withdrawn: said(
    v.optional(v.object({ at: moment, who: v.string(), reason: v.string() })),
    "Set when it applies no more.",
  ),
});
export const erasuresAnswer = v.object({ erasures: v.array(erasureAnswer) });
export const erasedAnswer = v.object({
  ...stored,
  checked: said(v.string(), "What table and column were checked against, or why they were not."),
});

export const ERASURE: v.InferInput<typeof erasureAnswer> = {
  ...{ format: 2, id: "d4j8x1v6a0lp", database: "shop", table: "customers", column: "email" },
  ...{ salt: "8s2k4v9q1n7c3x5z0m6b2h4j9t", keyHash: SHA, secretId: "5b3f9c2e71d04a86" },
  ...{ at: "2026-11-20T08:00:00.000Z", who: "support" },
};
export const ERASED: v.InferInput<typeof erasedAnswer> = {
  ...ERASURE,
  checked: "backup 3k9f0xq2v7ma of shop",
};
export const WITHDRAWN: v.InferInput<typeof erasureAnswer> = {
  ...ERASURE,
  withdrawn: { at: "2026-11-20T09:00:00.000Z", who: "support", reason: "wrong customer" },
};
