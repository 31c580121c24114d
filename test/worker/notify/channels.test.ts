import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { sendMessage } from "../../../src/notify/send.ts";
import type { Message } from "../../../src/plan/alerts/alert.ts";
import type { Email } from "../../../src/worker/context.ts";
import { testContext } from "../../support/context.ts";

const SECRET = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;
const SECRETS = {
  HOOK_URL: "https://hook.example/very-secret-path",
  HOOK_SECRET: SECRET,
  CHAT_URL: "https://chat.example/very-secret-path?thread_id=1",
  ROOM_URL: "https://room.example/very-secret-path",
  PAGER_KEY: "very-secret-key",
};
const ALERTS = {
  hook: { type: "webhook", url: "HOOK_URL", secret: "HOOK_SECRET" },
  chat: { type: "discord", url: "CHAT_URL" },
  room: { type: "slack", url: "ROOM_URL" },
  pager: { type: "pagerduty", key: "PAGER_KEY", region: "eu" },
  mail: { type: "email", from: "nightjar@acme.dev", to: ["ops@acme.dev", "cto@acme.dev"] },
};

function messageOf(changes: Partial<Message> = {}): Message {
  return {
    ...{ id: "i1.hook.opened", incident: "i1", kind: "opened", rule: "run-failed" },
    ...{ severity: "critical", database: "shop", summary: "The last run of shop failed." },
    ...{ hint: "Back up now with `nightjar backup shop`.", openedAt: "2026-11-20T00:00:00.000Z" },
    at: "2026-11-20T00:00:00.000Z",
    ...changes,
  };
}

/** Send a message to a channel, and return what arrived there. */
async function arrival(
  channel: keyof typeof ALERTS,
  message: Message,
  answer = new Response("ok"),
) {
  const requests: { url: string; init: RequestInit; body: Record<string, any> }[] = [];
  const emails: Email[] = [];
  const context = testContext(
    {},
    {
      ...{ alerts: ALERTS, secrets: SECRETS, email: { send: async (email) => emails.push(email) } },
      fetch: async (url, init) => {
        requests.push({ url, init, body: JSON.parse(init.body as string) });
        return answer;
      },
    },
  );
  const config = context.config.channels.find(({ name }) => name === channel)!;
  expect(config.mistakes).toEqual([]);
  await sendMessage(context, config, message);
  return { ...requests[0]!, email: emails[0]!, sent: requests.length + emails.length };
}

describe("a message", () => {
  it("is signed as Standard Webhooks says", async () => {
    const { init, body } = await arrival("hook", messageOf());
    const headers = Object.fromEntries(new Headers(init.headers));
    const verified = new Webhook(SECRET).verify(init.body as string, headers);
    expect(verified).toEqual(body);
    expect(body).toMatchObject({
      ...{ type: "alert.opened", timestamp: "2026-11-20T00:00:00.000Z" },
      data: { incident: "i1", rule: "run-failed", title: "shop: backup failed" },
    });
    expect(headers["webhook-id"]).toBe("i1.hook.opened");
    expect(() => new Webhook(SECRET).verify(`${init.body as string} `, headers)).toThrow();
  });

  it("mentions nobody in Discord and Slack, and formats nothing that came from outside", async () => {
    const summary = "Table @everyone <!channel> *a* _b_ & [x](https://evil.example) <@U1> is gone.";
    const chat = await arrival("chat", messageOf({ summary }));
    expect(chat.url).toBe(`${SECRETS.CHAT_URL}&wait=true`);
    expect(chat.body["allowed_mentions"]).toEqual({ parse: [] });
    const [embed] = chat.body["embeds"] as Record<string, any>[];
    expect(embed!["description"]).toContain(
      String.raw`\*a\* \_b\_ & \[x\]\(https://evil.example\)`,
    );
    expect(embed!["description"]).toContain("`nightjar backup shop`");
    expect(embed!["color"]).toBe(0xd1_24_2f);
    const room = await arrival("room", messageOf({ summary }));
    const [block] = room.body["blocks"] as Record<string, any>[];
    expect(block!["text"].text).toContain("&lt;!channel&gt;");
    expect(block!["text"].text).not.toMatch(/<[!@]/);
    expect(room.body["text"]).toBe("shop: backup failed");
  });

  it("triggers and resolves the same incident in PagerDuty, and only notes what has no end", async () => {
    const opened = await arrival("pager", messageOf());
    expect(opened.url).toBe("https://events.eu.pagerduty.com/v2/enqueue");
    expect(opened.body).toMatchObject({
      ...{ routing_key: "very-secret-key", event_action: "trigger", dedup_key: "i1" },
      payload: { source: "shop", severity: "critical", class: "run-failed" },
    });
    const closed = await arrival("pager", messageOf({ kind: "closed" }));
    expect(closed.body).toMatchObject({ event_action: "resolve", dedup_key: "i1" });
    const notice = await arrival("pager", messageOf({ kind: "notice", database: null }));
    expect(notice.url).toBe("https://events.eu.pagerduty.com/v2/change/enqueue");
    expect(notice.body).not.toHaveProperty("event_action");
  });

  it("is an email whose subject is one line", async () => {
    const { email } = await arrival(
      "mail",
      messageOf({ database: "shop\r\nBcc: all@evil.example" }),
    );
    expect(email).toMatchObject({
      from: "nightjar@acme.dev",
      to: ["ops@acme.dev", "cto@acme.dev"],
    });
    expect(email.subject).toBe("[Nightjar] shop Bcc: all@evil.example: backup failed");
    expect(email.text).toContain("The last run of shop failed.\nBack up now");
  });

  it.each(["hook", "chat", "room", "pager"] as const)(
    "that %s refuses is an error without the channel's secrets",
    async (channel) => {
      for (const [status, refused] of [
        ...[400, 413, 422].map((code) => [code, "message"] as const),
        ...[302, 401, 404, 429, 500].map((code) => [code, undefined] as const),
      ]) {
        const said = `no: ${Object.values(SECRETS).join(" ")}\n\nis wrong`;
        const headers = { location: "https://evil.example", "retry-after": "30" };
        const own = said.replace(/\S+/g, (word) => (isOwn(channel, word) ? word : "x"));
        const answer = new Response(own, { status, headers });
        const error = await arrival(channel, messageOf(), answer).catch(
          (thrown: unknown) => thrown,
        );
        expect(error).toMatchObject({
          ...{ code: "ALERT_REFUSED", facts: { retryAfter: "30" } },
          message: expect.stringMatching(new RegExp(`^Channel ${channel} answered ${status}: .*…`)),
        });
        expect((error as { facts: { refused?: string } }).facts.refused).toBe(refused);
        expect((error as Error).message).not.toMatch(/very-secret|whsec_/);
      }
    },
  );
});

/** True for the value of a secret of a channel. */
function isOwn(channel: keyof typeof ALERTS, word: string): boolean {
  const { url, secret, key } = ALERTS[channel] as Record<string, keyof typeof SECRETS | undefined>;
  return [url, secret, key].some((name) => name !== undefined && SECRETS[name] === word);
}
