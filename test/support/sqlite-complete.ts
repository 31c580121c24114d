/**
 * Implement `sqlite3_complete` as its documentation and its state table describe it, one character at a time
 * and as simply as possible: the reference for the fast scanner.
 */
export function completeBySqlite(sql: string): boolean {
  let state: "start" | "normal" | "explain" | "create" | "trigger" | "semicolon" | "end" = "start";
  const semicolon = () => {
    if (state === "trigger" || state === "semicolon") state = "semicolon";
    else state = "start";
  };
  const other = () => {
    if (state === "trigger" || state === "semicolon" || state === "end") state = "trigger";
    else if (state !== "explain") state = "normal";
  };
  const word = (text: string) => {
    const upper = text.toUpperCase();
    if (upper === "CREATE" && (state === "start" || state === "explain")) state = "create";
    else if (upper === "EXPLAIN" && state === "start") state = "explain";
    else if (upper === "TRIGGER" && state === "create") state = "trigger";
    else if ((upper === "TEMP" || upper === "TEMPORARY") && state === "create") return;
    else if (upper === "END" && state === "semicolon") state = "end";
    else other();
  };
  let rest = sql;
  while (rest !== "") {
    const space = /^(?:[ \t\n\f\r\v]+|--[^\n]*(?:\n|$)|\/\*[^]*?\*\/)/.exec(rest);
    const quoted = /^(?:'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\])/.exec(rest);
    const name = /^[A-Za-z0-9_$\u0080-\uffff]+/.exec(rest);
    if (space !== null) rest = rest.slice(space[0].length);
    else if (/^(?:\/\*|['"`[])/.test(rest) && quoted === null)
      return false; // never closed
    else if (quoted !== null) {
      other();
      rest = rest.slice(quoted[0].length);
    } else if (name !== null) {
      word(name[0]);
      rest = rest.slice(name[0].length);
    } else {
      if (rest.startsWith(";")) semicolon();
      else other();
      rest = rest.slice(1);
    }
  }
  return state === "start";
}
