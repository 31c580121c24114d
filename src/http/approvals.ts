import { type Context as HonoContext, Hono } from "hono";
import * as v from "valibot";
import {
  type Approval,
  decideApproval,
  findApproval,
  listApprovals,
} from "../catalog/access/approvals.ts";
import { NightjarError } from "../errors/errors.ts";
import { hasScope, reaches, type Rights, type Scope } from "../plan/access.ts";
import { refuseSamePerson, stateOf } from "./access/approval.ts";
import { needs, note } from "./access/needs.ts";
import { newestFirst, pageOf, placeOf } from "./paging.ts";
import type { HttpEnv } from "./hono-env.ts";
import { input } from "./input.ts";
import { iso } from "../core/iso.ts";
import { about, json } from "./openapi/about.ts";
import { APPROVAL, approvalAnswer, approvalsAnswer, DENIED, GRANTED } from "./answers/access.ts";

const NAMED = { path: { id: ["The request's id.", APPROVAL.id] } } as const;

const pageSchema = v.strictObject(newestFirst);

function approvalView(approval: Approval, now: number) {
  const { id, action, databases, summary, requestedBy, requestedByName } = approval;
  return {
    ...{ id, action, databases, summary, state: stateOf(approval, now) },
    ...{ requestedBy, requestedByName },
    requestedAt: iso(approval.requestedAt),
    expiresAt: iso(approval.expiresAt),
    decidedBy: approval.decidedBy,
    decidedByName: approval.decidedByName,
    decidedAt: iso(approval.decidedAt),
    usedAt: iso(approval.usedAt),
  };
}

/** Find an approval whose databases a caller reaches. @throws NightjarError `APPROVAL_NOT_FOUND` */
async function existing(c: HonoContext<HttpEnv>, id: string): Promise<Approval> {
  const approval = await findApproval(c.env.catalog, id);
  if (approval !== undefined && isOwn(approval, c.get("caller").rights)) return approval;
  throw new NightjarError("APPROVAL_NOT_FOUND", `There is no approval ${id.slice(0, 100)}.`);
}

function isOwn({ databases }: Approval, rights: Rights): boolean {
  return databases.every((name) => reaches(rights, name));
}

/** Grant or deny. @throws NightjarError `FORBIDDEN`, `APPROVAL_NOT_FOUND`, `APPROVAL_INVALID` */
async function decide(c: HonoContext<HttpEnv>, id: string, granted: boolean) {
  const { catalog, deps } = c.env;
  const caller = c.get("caller");
  const approval = await existing(c, id);
  const scope: Scope = approval.action === "restore" ? "restore" : "admin";
  if (!hasScope(caller.rights, scope))
    throw new NightjarError("FORBIDDEN", `To decide this needs the scope ${scope}.`);
  // Whoever asked may take the request back.
  if (granted) await refuseSamePerson(c.env, approval, caller.id);
  note(c, { approval: id, act: approval.action, granted, requestedBy: approval.requestedByName });
  const decision = { granted, decidedBy: caller.id, decidedByName: caller.name };
  if (!(await decideApproval(catalog, id, decision, deps.now())))
    throw new NightjarError(
      "APPROVAL_INVALID",
      `Approval ${id} is ${stateOf(await existing(c, id), deps.now())}.`,
    );
  return approvalView(await existing(c, id), deps.now());
}

/** `/v1/approvals`: what waits for a second person, and deciding it. */
export const approvals = new Hono<HttpEnv>()
  .get(
    "/",
    about("listApprovals", "List what waits or waited for a second person, newest first", {
      200: json(approvalsAnswer, { approvals: [APPROVAL], next: null }, "A page of them."),
    }),
    needs("read", "own"),
    input("query", pageSchema, { limit: "50" }),
    async (c) => {
      const { rights } = c.get("caller");
      const { limit, cursor } = c.req.valid("query");
      const found = await listApprovals(c.env.catalog, limit + 1, placeOf(cursor));
      const { page, next } = pageOf(found, limit, ({ requestedAt }) => requestedAt);
      const now = c.env.deps.now();
      const own = page.filter((approval) => isOwn(approval, rights));
      return c.json({ approvals: own.map((approval) => approvalView(approval, now)), next });
    },
  )

  .get(
    "/:id",
    about(
      "getApproval",
      "Show one request for approval",
      {
        200: json(approvalAnswer, APPROVAL, "The request."),
      },
      NAMED,
    ),
    needs("read", "own"),
    async (c) => c.json(approvalView(await existing(c, c.req.param("id")), c.env.deps.now())),
  )

  .post(
    "/:id/grant",
    about(
      "grantApproval",
      "Grant a request that waits",
      {
        200: json(
          approvalAnswer,
          GRANTED,
          "The request, granted: who asked may send it again now.",
        ),
      },
      NAMED,
    ),
    needs("restore", "own", "approval"),
    async (c) => c.json(await decide(c, c.req.param("id"), true)),
  )

  .post(
    "/:id/deny",
    about(
      "denyApproval",
      "Deny a request that waits, or take one's own back",
      {
        200: json(approvalAnswer, DENIED, "The request, denied."),
      },
      NAMED,
    ),
    needs("restore", "own", "approval"),
    async (c) => c.json(await decide(c, c.req.param("id"), false)),
  );
