import { defineCommand } from "citty";
import { database, json } from "../args.ts";
import { apiClient, bodyOf, connection } from "../client.ts";
import { print, printJson, printTable, size } from "../output.ts";

export default defineCommand({
  meta: {
    name: "timeline",
    description: "Show which moments can be restored, and what changed when",
  },
  args: {
    database,
    limit: { type: "string", description: "Changes at the most, up to 1000", default: "20" },
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    const timeline = await bodyOf(
      client.v1.databases[":db"].timeline.$get({
        param: { db: args.database },
        query: { limit: args.limit },
      }),
    );
    if (args.json) {
      printJson(timeline);
      return;
    }
    const { window, changes } = timeline;
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
  },
});
