/** Significant digits of `CAST(x AS TEXT)`. */
const DIGITS = 15;

/**
 * Return a REAL as text as SQLite does, by `%!.15g` (https://sqlite.org/printf.html), which always has a
 * decimal point.
 */
export function realText(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "Inf" : "-Inf";
  if (value === 0) return "0.0";
  const [mantissa = "", exponent = ""] = Math.abs(value)
    .toExponential(DIGITS - 1)
    .split("e");
  const digits = mantissa.replace(".", "").replace(/0+$/, "");
  const sign = value < 0 ? "-" : "";
  const power = Number(exponent);
  if (power < -4 || power >= DIGITS) {
    const size = String(Math.abs(power)).padStart(2, "0");
    return `${sign}${digits[0]}.${digits.slice(1) || "0"}e${power < 0 ? "-" : "+"}${size}`;
  }
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${digits}`;
  const whole = digits.slice(0, power + 1).padEnd(power + 1, "0");
  return `${sign}${whole}.${digits.slice(power + 1) || "0"}`;
}
