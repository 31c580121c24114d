/** Format a size for people: `12.3 MB`. */
export function sizeOf(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  let value = bytes;
  for (; Math.round(value) >= 1000 && step < units.length - 1; step++) value /= 1000;
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}
