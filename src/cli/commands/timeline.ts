import { defineCommand } from "citty";
import { database, json } from "../line/args.ts";
import { bodyOf, signIn } from "../client.ts";
import { print, printJson, printTable, size } from "../output.ts";

export default defineCommand({
  meta: {
    name: "timeline",
    description: "Show which moments can be restored, and what changed when",
  },
  args: {
    database,
    limit: { type: "string", description: "How many changes, up to 1000", default: "20" },
    cursor: { type: "string", description: "The `next` that an earlier page ended with" },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const { limit, cursor } = args;
    const timeline = await bodyOf(
      client.v1.databases[":db"].timeline.$get({
        param: { db: args.database },
        query: cursor === undefined ? { limit } : { limit, cursor },
      }),
    );
    if (args.json) {
      printJson(timeline);
      return;
    }
    const { window, changes, next } = timeline;
    print(`Any moment from ${window.from} to ${window.to}.`);
    printTable([
      ["at", "or before", "commits", "pages", "stored", ""],
      ...changes.map(({ at, uncertaintyMs, commits, pages, bytes, whole }) => [
        at,
        uncertaintyMs === null ? "?" : `${uncertaintyMs / 1000} s`,
        String(commits),
        String(pages),
        size(bytes),
        whole ? "whole database" : "",
      ]),
    ]);
    if (next !== null) print(`More: --cursor ${next}`);
  },
});
