import { lowerName } from "../tables/selection.ts";
import { END, tokenReader } from "./tokens.ts";

/**
 * Return the module of a virtual table, in lower case, from the text that SQLite keeps of its CREATE
 * statement; undefined for anything else. Names and comments in it are as they were typed.
 */
export function moduleOf(sql: string): string | undefined {
  const next = tokenReader(sql);
  if (next().word !== "CREATE" || next().word !== "VIRTUAL") return undefined;
  for (let token = next(); token !== END; token = next())
    if (token.word === "USING") return lowerName(next().text);
  return undefined;
}

/** An option of a module: `key=value`. */
export interface ModuleOption {
  /** In lower case. */
  readonly key: string;
  /** Without quotes. */
  readonly value: string;
}

/** Return the options among the arguments of a virtual table's module, in their order. */
export function optionsOf(sql: string): ModuleOption[] {
  const next = tokenReader(sql);
  const options: ModuleOption[] = [];
  let token = next();
  while (token !== END && token.word !== "USING") token = next();
  next(); // the module
  token = next();
  for (let depth = 0; token !== END;) {
    if (token.word === "(") depth++;
    if (token.word === ")") depth--;
    const starts = depth === 1 && (token.word === "(" || token.word === ",");
    token = next();
    if (!starts || token.kind !== "word") continue;
    const key = lowerName(token.text);
    token = next();
    if (token.word !== "=") continue;
    token = next();
    const { text, kind } = token;
    options.push({ key, value: kind === "character" ? "" : text });
  }
  return options;
}
