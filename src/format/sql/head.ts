import { decode } from "../bytes/bytes.ts";
import { END, type Token, tokenReader } from "./tokens.ts";

/** The action of a dump's statement, and the object that it concerns. */
export interface SqlHead {
  readonly does:
    | "create-table"
    | "create-virtual"
    | "create-index"
    | "create-view"
    | "create-trigger"
    | "insert"
    | "delete"
    | "update"
    /** PRAGMA, ANALYZE, DROP, and whatever else there is. */
    | "other"
    /** BEGIN, COMMIT and their like. */
    | "transaction";
  /** The first word, in capitals. */
  readonly verb: string;
  /** The object's own name, without quotes; a pragma's. */
  readonly name: string;
  /** The table that it concerns: an index's, a trigger's, a row's, or the table itself. */
  readonly table: string;
}

/** Bytes of a statement's start that are enough to read the head of most. */
const HEAD = 4096;

/** Read the start of a statement as SQLite's tokenizer would. */
export function readSqlHead(statement: Uint8Array): SqlHead {
  const { head, toEnd } = readHead(decode(statement.subarray(0, HEAD)));
  return toEnd && statement.length > HEAD ? readHead(decode(statement)).head : head;
}

/** Read the head; `toEnd` is true if the SQL was read to its end for it. */
function readHead(sql: string): { head: SqlHead; toEnd: boolean } {
  const read = tokenReader(sql);
  let toEnd = false;
  const next = () => {
    const token = read();
    toEnd ||= token === END || token.end === sql.length;
    return token;
  };
  const head = headOf(next);
  return { head, toEnd };
}

function headOf(next: () => Token): SqlHead {
  const verb = next().word;
  const head = (does: SqlHead["does"], name = "", table = name): SqlHead => ({
    does,
    verb,
    name,
    table,
  });
  if (verb === "INSERT" || verb === "REPLACE" || verb === "DELETE") {
    let token = next();
    while (token.word !== "INTO" && token.word !== "FROM" && token !== END) token = next();
    return head(verb === "DELETE" ? "delete" : "insert", next().text);
  }
  if (verb === "UPDATE") return head("update", next().text);
  if (["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"].includes(verb))
    return head("transaction");
  if (verb !== "CREATE") return head("other", verb === "PRAGMA" ? next().text : "");

  let kind = next();
  while (["TEMP", "TEMPORARY", "UNIQUE"].includes(kind.word)) kind = next();
  const virtual = kind.word === "VIRTUAL";
  if (virtual) next(); // TABLE
  let name = next();
  if (name.word === "IF") {
    next(); // NOT
    next(); // EXISTS
    name = next();
  }
  switch (kind.word) {
    case "VIRTUAL":
      return head("create-virtual", name.text);
    case "TABLE":
      return head("create-table", name.text);
    case "VIEW":
      return head("create-view", name.text);
    case "INDEX":
    case "TRIGGER": {
      let token = next();
      while (token.word !== "ON" && token !== END) token = next();
      const does = kind.word === "INDEX" ? "create-index" : "create-trigger";
      return head(does, name.text, next().text);
    }
    default:
      return head("other");
  }
}
