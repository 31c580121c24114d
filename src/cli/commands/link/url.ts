import { defineCommand } from "citty";
import { backup, database, json, momentArg, refuseBoth } from "../../line/args.ts";
import { choiceArgs, choiceFields, readChoice } from "../../export/choice.ts";
import { signIn } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { findBackup } from "../../find-backup.ts";
import { makeLink, makeMomentLink, type Terms } from "../../link.ts";
import { uncertainty } from "../../moment.ts";
import { print, printAside, printJson } from "../../output.ts";
import { printWarnings, tellMasks } from "../../warnings.ts";

export default defineCommand({
  meta: {
    name: "url",
    description:
      'Print a signed download URL: curl -fL "$(nightjar url shop)" | gunzip | sqlite3 -safe dev.db',
  },
  args: {
    database,
    backup,
    at: momentArg,
    format: {
      type: "string",
      description:
        "sql.gz, sql, sql.zst, db or db.zst; libsql.sql for a libSQL server; ndjson, json or csv for rows",
      default: "sql.gz",
    },
    ...choiceArgs,
    "expires-in": {
      type: "string",
      description: "For how long it works, up to 7d",
      default: "1h",
      valueHint: "duration",
    },
    "max-uses": {
      type: "string",
      description: "How often it may be downloaded; such a link gives no ranges",
      valueHint: "number",
    },
    address: {
      type: "string",
      description:
        "The only address of IPv4, or network (/64) of an address of IPv6, that may use it",
      valueHint: "address",
    },
    json,
  },
  async run({ args, rawArgs }) {
    refuseBoth(args);
    const client = signIn();
    const {
      database: db,
      at,
      format,
      "expires-in": expiresIn,
      "max-uses": maxUses,
      address,
    } = args;
    if (maxUses !== undefined && !/^[1-9]\d{0,6}$/.test(maxUses))
      throw new CliError(EXIT.usage, "--max-uses takes a whole number from 1 to 1000000.");
    const terms: Terms = {
      ...{ format, expiresIn },
      ...(maxUses !== undefined && { maxUses: Number(maxUses) }),
      ...(address !== undefined && { address }),
      ...choiceFields(readChoice(args, rawArgs)),
    };
    if (at !== undefined) {
      const link = await makeMomentLink(client, db, at, terms);
      tellMasks(link);
      if (args.json) return printJson(link);
      print(link.url);
      return printAside(`As of ${link.moment.committedAt}${uncertainty(link.moment)}.`);
    }
    const found = await findBackup(client, db, args.backup);
    const link = await makeLink(client, found.id, terms);
    tellMasks(link);
    if (args.json) printJson(link);
    else print(link.url);
    printWarnings(found);
  },
});
