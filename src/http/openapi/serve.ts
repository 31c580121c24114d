import { type Env, Hono } from "hono";
import { cors } from "hono/cors";
import * as v from "valibot";
import { ReferencePage } from "../../web/pages/reference.tsx";
import type { HttpEnv } from "../hono-env.ts";
import { show } from "../pages/page.ts";
import { about, json } from "./about.ts";
import { type Document, documentOf } from "./document.ts";

/**
 * `/openapi.json`, and `/docs` for people: the routes of an app, described by themselves. Nobody signs in for
 * these, so both are made once, and anew only for another origin.
 */
export function describing<E extends Env>(app: Pick<Hono<E>, "routes">) {
  let made: { readonly origin: string; readonly document: Document; page?: string } | undefined;
  const madeFor = (url: string) => {
    const { origin } = new URL(url);
    if (made?.origin !== origin) made = { origin, document: documentOf(app.routes, origin) };
    return made;
  };
  return new Hono<HttpEnv>()
    .get(
      "/openapi.json",
      cors({ origin: "*", allowMethods: ["GET"] }),
      about("getDocument", "Describe this API", {
        200: json(
          v.looseObject({ openapi: v.literal("3.1.0") }),
          { openapi: "3.1.0" },
          "This document.",
        ),
      }),
      (c) => {
        c.header("cache-control", "public, max-age=300");
        return c.json(madeFor(c.req.url).document);
      },
    )
    .get("/docs", (c) => {
      const known = madeFor(c.req.url);
      known.page ??= ReferencePage(known).toString();
      return show(c, known.page);
    });
}
