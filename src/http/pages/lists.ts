import { type Context as HonoContext, Hono } from "hono";
import { ACTIONS, OUTCOMES } from "../../model/audit.ts";
import { type Scope, SCOPES } from "../../plan/access.ts";
import { AlertsPage, IncidentPage } from "../../web/pages/alerts.tsx";
import { AuditPage } from "../../web/pages/audit.tsx";
import { CostPage } from "../../web/pages/cost.tsx";
import { TokensPage } from "../../web/pages/tokens.tsx";
import type { HttpEnv } from "../hono-env.ts";
import { answerOf, apiOf, show } from "./page.ts";

const ROWS = "50";

/** The path of the next page of a list, with what the present one was asked with. */
function nextPath(c: HonoContext<HttpEnv>, next: string | number | null): string | undefined {
  if (next === null) return undefined;
  const query = new URLSearchParams(c.req.query());
  query.set("cursor", String(next));
  return `${c.req.path}?${query.toString()}`;
}

/** Return those fields of a request's query that are not empty. */
function queryOf(c: HonoContext<HttpEnv>, names: readonly string[]): Record<string, string> {
  const given = names.map((name) => [name, c.req.query(name) ?? ""] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== ""));
}

async function showTokens(c: HonoContext<HttpEnv>, made: string | undefined): Promise<Response> {
  const query = { limit: ROWS, ...queryOf(c, ["cursor"]) };
  const { tokens, next } = await answerOf(apiOf(c).v1.tokens.$get({ query }));
  const page = TokensPage({
    ...{ who: c.get("caller").name, tokens, scopes: SCOPES, made },
    ...{ next: nextPath(c, next), now: c.env.deps.now() },
  });
  return show(c, page);
}

/** Pages of alerts, the audit, the cost and tokens. */
export const listPages = new Hono<HttpEnv>()
  .get("/alerts", async (c) => {
    const api = apiOf(c);
    const query = { limit: ROWS, ...queryOf(c, ["cursor"]) };
    const [{ incidents, next }, { approvals }] = await Promise.all([
      answerOf(api.v1.alerts.$get({ query })),
      answerOf(api.v1.approvals.$get({ query: { limit: ROWS } })),
    ]);
    const waiting = approvals.filter(({ state }) => state === "waiting");
    const page = AlertsPage({
      ...{ who: c.get("caller").name, incidents, approvals: waiting },
      ...{ next: nextPath(c, next), now: c.env.deps.now() },
    });
    return show(c, page);
  })

  .get("/alerts/:incident", async (c) => {
    const param = { incident: c.req.param("incident") };
    const incident = await answerOf(apiOf(c).v1.alerts[":incident"].$get({ param }));
    const { name: who } = c.get("caller");
    return show(c, IncidentPage({ who, incident, now: c.env.deps.now() }));
  })

  .post("/approvals/:id/grant", async (c) => {
    const param = { id: c.req.param("id") };
    await answerOf(apiOf(c).v1.approvals[":id"].grant.$post({ param }));
    return c.redirect("/alerts", 303);
  })
  .post("/approvals/:id/deny", async (c) => {
    const param = { id: c.req.param("id") };
    await answerOf(apiOf(c).v1.approvals[":id"].deny.$post({ param }));
    return c.redirect("/alerts", 303);
  })

  .get("/audit", async (c) => {
    const given = queryOf(c, ["database", "action", "outcome", "cursor"]);
    const query = { limit: ROWS, ...given };
    const { rows, next } = await answerOf(apiOf(c).v1.audit.$get({ query }));
    const { database = "", action = "", outcome = "" } = given;
    const page = AuditPage({
      ...{ who: c.get("caller").name, rows, filters: { database, action, outcome } },
      ...{ actions: ACTIONS, outcomes: OUTCOMES, next: nextPath(c, next) },
    });
    return show(c, page);
  })

  .get("/cost", async (c) => {
    const { databases, total, pricesAsOf } = await answerOf(apiOf(c).v1.cost.$get());
    return show(c, CostPage({ who: c.get("caller").name, databases, total, pricesAsOf }));
  })

  .get("/tokens", (c) => showTokens(c, undefined))
  .post("/tokens", async (c) => {
    const form = await c.req.parseBody({ all: true });
    const words = (name: string) =>
      [form[name] ?? []]
        .flat()
        .flatMap((value) => (typeof value === "string" ? value.split(/[\s,]+/) : []))
        .filter((word) => word !== "");
    const name = typeof form["name"] === "string" ? form["name"].trim() : "";
    const [databases, [expiresIn]] = [words("databases"), words("expiresIn")];
    const json = {
      ...{ name, scopes: words("scopes") as Scope[] },
      ...(databases.length > 0 && { databases }),
      ...(expiresIn !== undefined && { expiresIn }),
    };
    const { token } = await answerOf(apiOf(c).v1.tokens.$post({ json }));
    return showTokens(c, token);
  })
  .post("/tokens/:id/revoke", async (c) => {
    await answerOf(apiOf(c).v1.tokens[":id"].$delete({ param: { id: c.req.param("id") } }));
    return c.redirect("/tokens", 303);
  });
