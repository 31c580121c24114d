import { END, tokenReader } from "../sql/tokens.ts";

/** Lines of `PRAGMA integrity_check` that are kept at most, and characters of each line. */
export const MOST_FINDINGS = 1000;
const LONGEST_FINDING = 300;

/** The properties of a schema's object that decide how a finding is judged. */
export interface SchemaText {
  readonly type: string;
  readonly name: string;
  readonly table: string;
  readonly sql: string | null;
}

/** The findings of `PRAGMA integrity_check`, judged. */
export interface Integrity {
  /** Damage: pages that do not fit together, or indexes that do not match their tables. */
  readonly damage: readonly string[];
  /**
   * Rows that break a rule of their own schema. They do at the source too: the bytes are the captured ones.
   */
  readonly rules: readonly string[];
  /** Features that this SQLite lacks, so that a part was not checked. */
  readonly lacking: readonly string[];
}

/** Queries SQLite: resolves to the first column of each row; throws SQLite's own message. */
export type QuerySqlite = (sql: string) => Promise<readonly string[]>;

/** Return what this SQLite lacks, in an error's own words; undefined for any other error. */
export function lackOf(message: string): string | undefined {
  return LACKS.exec(message)?.[0];
}

const LACKS =
  /no such (?:module|function|collation sequence|tokenizer): [^\n;]{1,80}|unknown (?:function|tokenizer): [^\n;]{1,80}|unsafe use of [^\n;]{1,80}|vtable constructor failed: [^\n;]{1,80}|error in tokenizer constructor|foreign key mismatch - [^\n;]{1,160}|too many (?:columns|attached|terms|SQL variables)[^\n;]{0,80}/;

/** Findings that a row breaks a rule that came after it, or SQLite's own rule of what a column may hold. */
const RULES = [
  /^NULL value in /,
  /^CHECK constraint failed in /,
  /^(?:TEXT|NUMERIC|non-[A-Z]+) value in /,
  / stores an imprecise floating-point value /,
  // An FTS5 index whose application did not keep it in step with its content.
  /^malformed inverted index for FTS/,
  /^unable to validate the inverted index for FTS/,
];

const OF_INDEX =
  /^(?:row [0-9]+ missing from|wrong # of entries in|non-unique entry in|row [0-9]+ values differ from|rowid not at end-of-record for row [0-9]+ of) index (.*)$/s;

/**
 * Run SQLite's own check, and judge its findings. If SQLite lacks something that the schema uses, each
 * table is checked by itself, as far as possible.
 *
 * @throws what `query` throws, unless it says what SQLite lacks
 */
export async function checkIntegrity(
  query: QuerySqlite,
  pragma: "integrity_check" | "quick_check",
  schema: readonly SchemaText[],
): Promise<Integrity> {
  const computed = new Set(computedIndexes(schema));
  const lacking = new Set<string>();
  const found: string[] = [];
  const attempt = async (sql: string): Promise<boolean> => {
    try {
      found.push(...(await query(sql)));
      return true;
    } catch (thrown) {
      const lack = lackOf(thrown instanceof Error ? thrown.message : String(thrown));
      if (lack === undefined) throw thrown;
      lacking.add(lack);
      return false;
    }
  };
  if (!(await attempt(`PRAGMA ${pragma}(${MOST_FINDINGS})`)))
    for (const { type, name } of schema) {
      if (type !== "table") continue;
      const argument = `("${name.replaceAll('"', '""')}")`;
      if (!(await attempt(`PRAGMA ${pragma}${argument}`)) && pragma !== "quick_check")
        await attempt(`PRAGMA quick_check${argument}`);
    }
  return { ...judge(found, computed), lacking: [...lacking] };
}

function judge(
  found: readonly string[],
  computed: ReadonlySet<string>,
): Pick<Integrity, "damage" | "rules"> {
  const damage: string[] = [];
  const rules: string[] = [];
  for (const line of found.flatMap((text) => text.split("\n"))) {
    if (line === "" || line === "ok" || /^\*\*\* in database .* \*\*\*$/.test(line)) continue;
    const index = OF_INDEX.exec(line)?.[1];
    const isRule =
      index === undefined ? RULES.some((rule) => rule.test(line)) : computed.has(index);
    (isRule ? rules : damage).push(line.slice(0, LONGEST_FINDING));
  }
  return { damage, rules };
}

/** Describe the findings about rules and missing features in one sentence; undefined if there are none. */
export function integrityWords({ rules, lacking }: Integrity): string | undefined {
  const words = [];
  if (rules.length > 0) {
    const many =
      rules.length >= MOST_FINDINGS
        ? `${rules.length} findings or more`
        : `${rules.length} findings`;
    words.push(`${many} about rows, as in the source: ${rules.slice(0, 3).join("; ")}`);
  }
  if (lacking.length > 0)
    words.push(`not checked in full, as this SQLite says: ${lacking.join("; ")}`);
  return words.length === 0 ? undefined : words.join("; ");
}

/**
 * Return the indexes whose keys or rows depend on an expression, which another build of SQLite may compute
 * differently.
 */
function computedIndexes(schema: readonly SchemaText[]): string[] {
  const computing = new Set(
    schema
      .filter(({ type, sql }) => type === "table" && sql !== null && hasGenerated(sql))
      .map(({ name }) => name),
  );
  return schema
    .filter(({ type, table, sql }) => type === "index" && (computing.has(table) || isComputed(sql)))
    .map(({ name }) => name);
}

/** Return true if one of a table's columns may be computed from others. */
function hasGenerated(create: string): boolean {
  const next = tokenReader(create);
  let before = "";
  for (let token = next(); token !== END; token = next()) {
    if (before === "AS" && token.word === "(") return true;
    before = token.word;
  }
  return false;
}

/** Return true if an index has a WHERE, or anything but names in its columns. */
function isComputed(sql: string | null): boolean {
  if (sql === null) return false;
  const next = tokenReader(sql);
  let token = next();
  while (token.word !== "ON" && token !== END) token = next();
  next(); // the table
  let depth = 0;
  for (token = next(); token !== END; token = next()) {
    if (token.word === "(") depth++;
    else if (token.word === ")") depth--;
    else if (token.word === "WHERE" && depth === 0) return true;
    if (depth > 1 || (depth === 1 && /^[^A-Z0-9_$\u0080-\u{10ffff}(,]/u.test(token.word)))
      return true;
  }
  return false;
}
