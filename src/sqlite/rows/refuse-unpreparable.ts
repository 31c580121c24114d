import { NightjarError } from "../../errors/errors.ts";
import { END, tokenReader } from "../../format/sql/tokens.ts";
import { lowerName } from "../../format/tables/selection.ts";
import { SqliteError } from "../engine/engine.ts";
import { ACTION } from "../engine/codes.ts";
import { refusal } from "../engine/guard.ts";
import type { Image } from "../engine/image.ts";
import { prepareOnly } from "../query.ts";

/** Calls of functions in an expression at most: SQLite cannot be stopped between two of them. */
const MAX_CALLS = 256;
/** Bytes that the preparation of a statement may take. */
const MAX_PREPARED = 4 * 1024 * 1024;
/** Characters of an expression that are looked at. */
const LONGEST_WHERE = 10_000;

/**
 * Refuse a `where` that is more than an expression of its table. Its parentheses must be closed in itself, so
 * that it stays within those that are put around it. And SQLite itself says what the whole statement does: it
 * must be one SELECT without another one inside, and read that table only.
 *
 * @throws NightjarError `QUERY_REFUSED`
 */
export async function refuseUnpreparable(
  image: Image,
  table: string,
  select: string,
  where: string | undefined,
): Promise<void> {
  if (where === undefined) return;
  const refuse = (why: string): never => {
    throw new NightjarError("QUERY_REFUSED", `The \`where\` of ${table} is refused: ${why}`, {
      hint: "A `where` is one SQL expression of the columns of its table, such as `id < 100`, without subqueries.",
    });
  };
  if (where.length > LONGEST_WHERE) refuse(`it has more than ${LONGEST_WHERE} characters.`);
  const fault = faultOf(where);
  if (fault !== undefined) refuse(fault);
  await image.exclusive(async (engine) => {
    let selects = 0;
    let calls = 0;
    let refused: string | undefined;
    engine.guard = (action, first, second) => {
      refused ??= refusal(action, first, second);
      if (action === ACTION.SELECT && ++selects > 1) refused ??= "It has a subquery.";
      if (action === ACTION.READ && lowerName(first) !== lowerName(table))
        refused ??= `It reads ${first}.`;
      if (action === ACTION.FUNCTION && ++calls > MAX_CALLS)
        refused ??= `It calls more than ${MAX_CALLS} functions.`;
      return refused === undefined;
    };
    try {
      const statement = await engine.withHeap(MAX_PREPARED, () => prepareOnly(engine, select));
      const { parameters } = statement;
      await statement.finalize();
      if (parameters > 0) refused ??= "It has a parameter.";
      if (refused !== undefined) refuse(refused);
    } catch (thrown) {
      if (refused !== undefined) refuse(refused);
      if (thrown instanceof SqliteError) refuse(`${thrown.message}.`);
      if (thrown instanceof NightjarError && thrown.code === "QUERY_REFUSED")
        refuse(thrown.message);
      throw thrown;
    } finally {
      engine.guard = undefined;
    }
  });
}

/** Find what would end the parentheses around an expression, or leave them open. */
function faultOf(where: string): string | undefined {
  const next = tokenReader(where);
  let depth = 0;
  for (let token = next(); token !== END; token = next()) {
    if (token.word === "(") depth++;
    if (token.word === ")" && --depth < 0) return "it closes a parenthesis that it has not opened.";
    if (token.word === ";") return "it has a semicolon.";
    if (token.kind === "unterminated") return "a quote is not closed.";
  }
  return depth > 0 ? "a parenthesis is not closed." : undefined;
}
