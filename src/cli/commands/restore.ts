import { defineCommand } from "citty";
import { backup, database, json, momentArg, refuseBoth } from "../line/args.ts";
import { signIn } from "../client.ts";
import { refuseClearToken } from "../account/connection.ts";
import { readSecret } from "../account/secret.ts";
import { CliError, EXIT } from "../exit.ts";
import { identityFile } from "../files/identity.ts";
import { restoreToFile } from "../restore/file.ts";
import { refuseRowMistakes, restoreRowsTo } from "../restore/rows.ts";
import { restoreToServer } from "../restore/server.ts";
import { restoreToTurso } from "../restore/turso.ts";

const text = (description: string, valueHint?: string) =>
  ({ type: "string", description, ...(valueHint === undefined ? {} : { valueHint }) }) as const;
const flag = (description: string) => ({ type: "boolean", description, default: false }) as const;

export default defineCommand({
  meta: {
    name: "restore",
    description: "Restore a backup, or a moment of the page log, to a file or a database",
  },
  args: {
    database,
    backup,
    at: momentArg,
    to: text("A file to write, or an empty database: libsql://…, https://… or http://…"),
    "to-database": text("A configured database, with its own token", "name"),
    "to-turso": text("A new Turso database, made through Turso's platform API", "name"),
    "token-env": text(
      "The NAME of the variable that holds the token of --to or --to-turso",
      "name",
    ),
    namespace: text("The namespace on the server of --to"),
    org: text("Turso's organization, for --to-turso"),
    group: text("Turso's group, for --to-turso; default: default"),
    location: text("Turso's location, for --to-turso"),
    tables: text("Only these tables, with their indexes and triggers", "a,b"),
    "schema-only": flag("No rows"),
    "data-only": flag("Only rows, into empty tables that are there"),
    rows: text("Only rows of this table, into one that may have others", "table"),
    where: text("Which rows of --rows, as an SQL expression of its columns", "SQL"),
    "with-parents": flag("With --rows: also the rows that they refer to and the target lacks"),
    verify: flag("Count and hash every row afterwards"),
    sanitize: flag("For a server: write masks in place of values"),
    overwrite: flag("Replace what is there; it is saved first"),
    yes: flag("Replace it, or write rows, without asking"),
    identity: identityFile,
    way: text("For a server: auto, pages or statements"),
    "dry-run": flag("Say what would be done and what would be lost, and do nothing"),
    json,
  },
  async run({ args }) {
    const targets = [args.to, args["to-database"], args["to-turso"]].filter(
      (given) => given !== undefined,
    );
    if (targets.length !== 1) throw usage("Give one of --to, --to-database and --to-turso.");
    refuseBoth(args);
    refuseRowMistakes(args);
    const options = {
      database: args.database,
      backup: args.backup,
      at: args.at,
      tables: args.tables?.split(","),
      schemaOnly: args["schema-only"],
      dataOnly: args["data-only"],
      verify: args.verify,
      sanitize: args.sanitize,
      overwrite: args.overwrite,
      yes: args.yes,
      identity: args.identity,
      dryRun: args["dry-run"],
      json: args.json,
    };
    if (options.schemaOnly && options.dataOnly)
      throw usage("--schema-only and --data-only exclude each other.");
    const server = args.to !== undefined && /^(libsql|https?):\/\//.test(args.to);
    const of = {
      server: server || args["to-database"] !== undefined,
      turso: args["to-turso"] !== undefined,
    };
    if (args.sanitize && !of.server)
      throw new CliError(EXIT.usage, "--sanitize is for a server.", {
        hint: of.turso
          ? "Make an empty Turso database, and restore into it with --to libsql://…."
          : `Make a sanitized file with: nightjar pull ${args.database} --sanitize -o ${args.to}`,
      });
    refuseStray("--namespace", args.namespace, server, "--to <address>");
    refuseStray("--identity", args.identity, !of.server && !of.turso, "--to <file>");
    refuseStray("--way", args.way, of.server, "a server");
    refuseStray(
      "--token-env",
      args["token-env"],
      server || of.turso,
      "--to <address> and --to-turso",
    );
    for (const name of ["org", "group", "location"] as const)
      refuseStray(`--${name}`, args[name], of.turso, "--to-turso");

    const client = signIn();
    if (of.turso) {
      const { org, group, location } = args;
      const tokenEnv = args["token-env"] ?? "TURSO_PLATFORM_TOKEN";
      const where = { name: args["to-turso"]!, org, group, location, token: readSecret(tokenEnv) };
      await restoreToTurso(client, options, where);
    } else if (of.server) {
      const url = args.to;
      const token = args["token-env"] === undefined ? undefined : readSecret(args["token-env"]);
      if (url !== undefined && token !== undefined)
        refuseClearToken("--to", url, `the token in ${args["token-env"]}`);
      const { namespace } = args;
      const target =
        url === undefined
          ? { database: args["to-database"]! }
          : {
              url,
              ...(token === undefined ? {} : { token }),
              ...(namespace === undefined ? {} : { namespace }),
            };
      if (args.rows === undefined) await restoreToServer(client, options, target, args.way);
      else
        await restoreRowsTo(
          client,
          { ...options, table: args.rows, where: args.where!, withParents: args["with-parents"] },
          target,
        );
    } else if (args.rows !== undefined)
      throw usage("--rows is for --to-database and --to <address>: a file is restored whole.");
    else await restoreToFile(client, options, args.to!);
  },
});

function usage(message: string): CliError {
  return new CliError(EXIT.usage, message, { hint: "See nightjar restore --help." });
}

function refuseStray(name: string, value: string | undefined, fits: boolean, belongs: string) {
  if (value !== undefined && !fits) throw usage(`${name} is for ${belongs} only.`);
}
