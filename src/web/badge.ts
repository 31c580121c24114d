import { printable } from "../core/printable.ts";
import type { BadgeColor, BadgeFace } from "./badge-face.ts";

/** Widths of the printable ASCII characters from space on, in hundredths of a pixel: Verdana, 11 px. */
const WIDTHS = (
  "387 433 505 900 699 1184 799 295 500 500 699 900 400 500 400 500 699 699 699 699 699 699 699 " +
  "699 699 699 500 500 900 900 900 600 1100 752 754 768 848 696 632 853 827 463 500 762 612 927 " +
  "823 866 663 866 765 752 678 805 752 1088 754 677 754 500 500 500 900 699 699 661 685 573 685 " +
  "655 387 685 696 302 379 651 302 1070 696 668 685 685 469 573 433 696 651 900 651 651 578 698 " +
  "500 698 900"
)
  .split(" ")
  .map(Number);

/** The colours of shields.io's flat style. */
const COLORS: Record<BadgeColor, string> = {
  brightgreen: "#4b0",
  orange: "#ea7233",
  red: "#dd4343",
  lightgrey: "#939393",
};

const PADDING = 5;

/** Return the width of a text in whole pixels, made odd so that its middle falls on a pixel. */
function textWidth(text: string): number {
  let hundredths = 0;
  for (const char of printable(text)) hundredths += WIDTHS[char.charCodeAt(0) - 32] ?? 1100;
  const pixels = Math.floor(hundredths / 100);
  return pixels % 2 === 0 ? pixels + 1 : pixels;
}

/**
 * Escape a text for XML, which has no form for control characters and halves of pairs: they are shown,
 * as on a terminal.
 */
function escapeXml(text: string): string {
  return printable(text).replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/**
 * Draw one half's text with its shadow, at ten times the size and scaled down, as browsers round less
 * there.
 */
function half(text: string, left: number, width: number): string {
  const x = (left + PADDING + width / 2) * 10;
  const length = width * 10;
  const safe = escapeXml(text);
  return (
    `<g transform="scale(.1)">` +
    `<text aria-hidden="true" x="${x}" y="150" fill="#010101" fill-opacity=".3" textLength="${length}">${safe}</text>` +
    `<text x="${x}" y="140" textLength="${length}">${safe}</text></g>`
  );
}

/** Draw a flat badge as SVG, in the dimensions of shields.io. */
export function badgeSvg({ label, message, color }: BadgeFace): string {
  const [labelText, messageText] = [textWidth(label), textWidth(message)];
  const [left, right] = [labelText + 2 * PADDING, messageText + 2 * PADDING];
  const width = left + right;
  const title = escapeXml(`${label}: ${message}`);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" role="img" aria-label="${title}">` +
    `<title>${title}</title>` +
    `<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/></linearGradient>` +
    `<clipPath id="r"><rect width="${width}" height="20" rx="3"/></clipPath>` +
    `<g clip-path="url(#r)"><rect width="${left}" height="20" fill="#555"/>` +
    `<rect x="${left}" width="${right}" height="20" fill="${COLORS[color]}"/>` +
    `<rect width="${width}" height="20" fill="url(#s)"/></g>` +
    `<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" text-rendering="geometricPrecision" font-size="110">` +
    `${half(label, 0, labelText)}${half(message, left, messageText)}</g></svg>\n`
  );
}
