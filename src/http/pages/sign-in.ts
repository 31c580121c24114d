import { type Context as HonoContext, Hono } from "hono";
import { NightjarError } from "../../errors/errors.ts";
import { fleetHealth } from "../../read/health.ts";
import { badgeFace } from "../../web/badge-face.ts";
import { SignInPage } from "../../web/pages/sign-in.tsx";
import { identify } from "../access/identify.ts";
import { beginSession, endSession } from "../access/session.ts";
import { asHttpError } from "../as-http-error.ts";
import { factsOf } from "../databases/badge.ts";
import type { HttpEnv } from "../hono-env.ts";
import { show } from "./page.ts";

const TONES = { brightgreen: "good", orange: "warn", red: "bad", lightgrey: "idle" } as const;

/** Show the way in, and of public databases what their badges show. */
export async function showSignIn(
  c: HonoContext<HttpEnv>,
  refused: NightjarError | undefined,
): Promise<Response> {
  const { config, deps } = c.env;
  // Those that Turso lists are not read for everybody who comes by.
  const open = [...config.databases.values()].filter(({ badge }) => badge === "public");
  const healths = await fleetHealth(c.env, open);
  const databases = [...healths.values()].map((health) => {
    const { message, color } = badgeFace(factsOf(health), deps.now());
    return { name: health.database.name, message, tone: TONES[color] };
  });
  const page = SignInPage({ refused: refused?.message, databases });
  return show(c, page, refused === undefined ? 200 : refused.status === 429 ? 429 : 401);
}

/** Signing in by a token, and out. */
export const signIn = new Hono<HttpEnv>()
  .post("/sign-in", async (c) => {
    const { token } = await c.req.parseBody();
    try {
      const given = typeof token === "string" ? token.trim() : "";
      // As a request with this token would be identified, guesses counted and all.
      const headers = new Headers(c.req.raw.headers);
      headers.set("authorization", `Bearer ${given}`);
      beginSession(c, await identify(c.env, new Request(c.req.url, { headers })));
    } catch (thrown) {
      const error = asHttpError(thrown);
      if (error.status >= 500) throw error;
      const words = "This is no valid token.";
      return showSignIn(
        c,
        error.code === "UNAUTHORIZED" && error.message.startsWith("This needs")
          ? new NightjarError("UNAUTHORIZED", words)
          : error,
      );
    }
    return c.redirect("/", 303);
  })

  .post("/sign-out", (c) => {
    endSession(c);
    return c.redirect("/", 303);
  });
