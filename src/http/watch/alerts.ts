import { Hono } from "hono";
import * as v from "valibot";
import { channelStates, type Delivery } from "../../catalog/watch/deliveries.ts";
import { findIncident, listIncidents } from "../../catalog/watch/incidents.ts";
import { type Channel, namesOf } from "../../config/channels.ts";
import { iso } from "../../core/iso.ts";
import { NightjarError } from "../../errors/errors.ts";
import { testChannel } from "../../notify/test.ts";
import { RULE_NAMES } from "../../plan/alerts/alert.ts";
import { headline, type Incident } from "../../plan/alerts/incidents.ts";
import { listable, reachesWhole } from "../../plan/access.ts";
import { needs, note } from "../access/needs.ts";
import { text } from "../fields.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { newestFirst, pageOf, placeOf } from "../paging.ts";
import { about, json } from "../openapi/about.ts";
import {
  CHANNELS,
  channelsAnswer,
  INCIDENT_DETAIL,
  incidentAnswer,
  INCIDENTS,
  incidentsAnswer,
  TESTED,
  testedAnswer,
} from "../answers/watch.ts";

const listSchema = v.strictObject({
  ...newestFirst,
  open: v.optional(v.literal("true", "must be true, for those that are open only")),
  rule: v.optional(v.picklist(RULE_NAMES, `must be one of ${RULE_NAMES.join(", ")}`)),
  database: v.optional(text(100)),
});

const testSchema = v.strictObject({ channel: v.optional(text(50)) });

function incidentView(incident: Incident) {
  const { id, rule, severity, database, subject, summary, hint, openedAt, closedAt, told } =
    incident;
  return {
    ...{ id, rule, severity, database, subject, title: headline(incident), summary, hint },
    ...{ openedAt: iso(openedAt), closedAt: iso(closedAt), channels: told },
  };
}

function deliveryView({ channel, kind, createdAt, attempts, error, ...rest }: Delivery) {
  return {
    ...{ channel, kind, createdAt: iso(createdAt), attempts, error },
    ...{ deliveredAt: iso(rest.deliveredAt), abandonedAt: iso(rest.abandonedAt) },
  };
}

/** @throws NightjarError `CHANNEL_NOT_FOUND` */
function chosen(channels: readonly Channel[], name: string | undefined): readonly Channel[] {
  const found = channels.filter((channel) => name === undefined || channel.name === name);
  if (found.length > 0) return found;
  throw new NightjarError(
    "CHANNEL_NOT_FOUND",
    name === undefined ? "No channel is configured." : `There is no channel ${name}.`,
    { hint: "Add one to ALERTS in wrangler.toml: docs/alerts.md." },
  );
}

/** `/v1/alerts`: what is wrong and was, and the channels that are told. */
export const alerts = new Hono<HttpEnv>()
  .get(
    "/",
    about("listIncidents", "List what is wrong and was, newest first", {
      200: json(incidentsAnswer, INCIDENTS, "A page of incidents."),
    }),
    needs("read", "own"),
    input("query", listSchema, { open: "true", database: "shop" }),
    async (c) => {
      const { rights } = c.get("caller");
      const { limit, cursor, open, rule, database } = c.req.valid("query");
      const databases = listable(rights, database);
      const filter = { open: open !== undefined, rule, databases };
      const found = await listIncidents(c.env.catalog, filter, limit + 1, placeOf(cursor));
      const { page, next } = pageOf(found, limit, ({ openedAt }) => openedAt);
      return c.json({ incidents: page.map(incidentView), next });
    },
  )

  .get(
    "/channels",
    about("listChannels", "List the channels that are told, and how each is doing", {
      200: json(channelsAnswer, CHANNELS, "All of them."),
    }),
    needs("read", "all"),
    async (c) => {
      const states = new Map(
        (await channelStates(c.env.catalog, namesOf(c.env.config.channels))).map((state) => [
          state.channel,
          state,
        ]),
      );
      const channels = c.env.config.channels.map(({ name, settings, mistakes }) => {
        const { pending = 0, failingSince, lastDeliveredAt, lastError } = states.get(name) ?? {};
        return {
          ...{ name, type: settings?.type ?? null, mistakes, pending },
          databases: settings?.databases ?? null,
          severity: settings?.severity ?? null,
          failingSince: iso(failingSince),
          lastDeliveredAt: iso(lastDeliveredAt),
          error: lastError ?? null,
        };
      });
      return c.json({ channels });
    },
  )

  // What a channel answers is the result, also if it is a refusal.
  .post(
    "/test",
    about("testChannels", "Send a message to a channel, or to each", {
      200: json(testedAnswer, TESTED, "What each channel answered."),
    }),
    needs("admin", "all", "alert-test"),
    input("json", testSchema, { channel: "ops" }),
    async (c) => {
      const { channel } = c.req.valid("json");
      const channels = chosen(c.env.config.channels, channel);
      const results = await Promise.all(channels.map((one) => testChannel(c.env, one)));
      note(c, { channels: channels.map(({ name }) => name) });
      return c.json({ results });
    },
  )

  .get(
    "/:incident",
    about(
      "getIncident",
      "Show one incident, with its messages",
      {
        200: json(incidentAnswer, INCIDENT_DETAIL, "The incident."),
      },
      { path: { incident: ["The incident's id.", INCIDENT_DETAIL.id] } },
    ),
    needs("read", "own"),
    async (c) => {
      const id = c.req.param("incident");
      const found = await findIncident(c.env.catalog, id);
      if (found === undefined || !reachesWhole(c.get("caller").rights, found.incident.database))
        throw new NightjarError("INCIDENT_NOT_FOUND", `There is no incident ${id.slice(0, 100)}.`);
      const { incident, deliveries } = found;
      return c.json({ ...incidentView(incident), deliveries: deliveries.map(deliveryView) });
    },
  );
