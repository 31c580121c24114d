import type { Span } from "../../store/read.ts";

/**
 * The span that a Range header asks for (RFC 9110, section 14). Only one range of bytes is served:
 * anything else is answered whole, as the standard allows.
 *
 * @returns the span, `"whole"`, or `"unsatisfiable"` when it lies beyond the end
 */
export function parseRange(header: string | null, size: number): Span | "whole" | "unsatisfiable" {
  const match = /^bytes=(\d*)-(\d*)$/i.exec((header ?? "").trim());
  if (match === null) return "whole";
  const [first, last] = [match[1]!, match[2]!];
  if (first === "" && last === "") return "whole";
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < offset) return "whole";
  return offset >= size ? "unsatisfiable" : { offset, length: end - offset + 1 };
}
