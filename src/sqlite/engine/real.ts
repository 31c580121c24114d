/**
 * Write a REAL as an SQL expression that every SQLite reads back to the same 64 bits.
 *
 * SQLite's own reader of decimals is not always correctly rounded, and differs between versions: 3.40
 * misses the last bit below 1e-280, libSQL 3.45 reads 1.797693134862315708e+308 and 9218868437227405312.0
 * as infinity. Up to 15 digits and small exponents it is exact everywhere; 19 digits are so close to the
 * number that a small error in reading cannot reach its neighbour. The rest is written as an integer
 * multiplied or divided by powers of two, which loses nothing.
 *
 * @param value finite or ±Infinity; SQLite stores NaN as NULL
 */
export function realLiteral(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "9e999";
  if (value === Number.NEGATIVE_INFINITY) return "-9e999";
  if (Object.is(value, -0)) return "-0.0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return `${value}.0`;
  if (size < 1e-200 || size > 1e200 || (size > 1e15 && Number.isInteger(value) && size < 1e22))
    return exactly(value);
  const short = String(value);
  if (size > 1e-7 && size < 1e21 && digitsOf(short) <= 15) return short;
  return value.toPrecision(19);
}

/** Count the digits before an exponent, without a string for it: a table may have millions of numbers. */
function digitsOf(decimal: string): number {
  let digits = 0;
  for (let at = 0; at < decimal.length && decimal[at] !== "e"; at++)
    if (decimal[at] !== "-" && decimal[at] !== ".") digits++;
  return digits;
}

/** Write `m*1.0*(1<<a)*(1<<b)…` or `m*1.0/(1<<a)…` with an integer m. */
function exactly(value: number): string {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const stored = Number((bits.getBigUint64(0) >> 52n) & 0x7ffn);
  const fraction = bits.getBigUint64(0) & 0xf_ffff_ffff_ffffn;
  let mantissa = stored === 0 ? fraction : fraction | 0x10_0000_0000_0000n;
  let exponent = Math.max(stored, 1) - 1075;
  while ((mantissa & 1n) === 0n) {
    mantissa >>= 1n;
    exponent++;
  }
  let expression = `${value < 0 ? "-" : ""}${mantissa}*1.0`;
  const sign = exponent < 0 ? "/" : "*";
  for (let left = Math.abs(exponent); left > 0; left -= 62)
    expression += `${sign}(1<<${Math.min(left, 62)})`;
  return expression;
}
