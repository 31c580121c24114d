/**
 * The values of one `INSERT INTO … VALUES(…);` as sqld's dump writes it: NULL, numbers, 'text' with
 * doubled quotes, X'blobs', and text with line breaks as `replace('a\nb','\n',char(10))`.
 * Numbers stay text, so that none loses a digit; blobs stay hexadecimal.
 *
 * @returns the values in order, or undefined when the statement is of another shape
 */
export function insertedValues(sql: string): (string | null)[] | undefined {
  const open =
    /^INSERT INTO (?:"(?:[^"]|"")*"|[^\s("]+)(?:\((?:"(?:[^"]|"")*"|[^"()])*\))? VALUES\(/.exec(
      sql,
    );
  if (open === null) return undefined;
  const values: (string | null)[] = [];
  let at = open[0].length;

  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(sql);
    if (match !== null) at += match[0].length;
    return match;
  };
  const value = (): string | null | undefined => {
    const text = take(/'((?:[^']|'')*)'/y);
    if (text !== null) return text[1]!.replaceAll("''", "'");
    const blob = take(/[Xx]'([0-9A-Fa-f]*)'/y);
    if (blob !== null) return blob[1]!;
    if (take(/NULL/y) !== null) return null;
    if (take(/replace\(/y) !== null) {
      const base = value();
      if (base == null || take(/,/y) === null) return undefined;
      const token = value();
      const code = take(/,char\((10|13)\)\)/y);
      if (token == null || code === null) return undefined;
      return base.replaceAll(token, String.fromCharCode(Number(code[1])));
    }
    return take(/-?[0-9][0-9.eE+-]*/y)?.[0];
  };

  for (;;) {
    const next = value();
    if (next === undefined) return undefined;
    values.push(next);
    if (take(/\);\s*$/y) !== null) return values;
    if (take(/,/y) === null) return undefined;
  }
}
