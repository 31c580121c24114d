import { Hono } from "hono";
import { restoreMoment } from "../backups/restore.ts";
import type { HttpEnv } from "../hono-env.ts";
import { databases as ownRoutes } from "./databases.ts";
import { erasures } from "./erasures.ts";
import { moments } from "./moments.ts";

/** `/v1/databases`: everything about one database or all of them. */
export const databases = new Hono<HttpEnv>()
  .route("/", ownRoutes)
  .route("/", moments)
  .route("/", restoreMoment)
  .route("/", erasures);
