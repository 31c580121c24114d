import { printable } from "../core/printable.ts";
import type { BadgeColor, BadgeFace } from "./badge-face.ts";

/** Widths of the printable ASCII characters from space on, in Verdana, hundredths of a pixel. */
const WIDTHS = {
  "11px":
    "387 433 505 900 699 1184 799 295 500 500 699 900 400 500 400 500 699 699 699 699 699 699 699 " +
    "699 699 699 500 500 900 900 900 600 1100 752 754 768 848 696 632 853 827 463 500 762 612 927 " +
    "823 866 663 866 765 752 678 805 752 1088 754 677 754 500 500 500 900 699 699 661 685 573 685 " +
    "655 387 685 696 302 379 651 302 1070 696 668 685 685 469 573 433 696 651 900 651 651 578 698 " +
    "500 698 900",
  "10px":
    "352 394 459 818 636 1076 727 269 454 454 636 818 364 454 364 454 636 636 636 636 636 636 636 " +
    "636 636 636 454 454 818 818 818 545 1000 684 686 698 771 632 575 775 751 421 455 693 557 843 " +
    "748 787 603 787 695 684 616 732 684 989 685 615 685 454 454 454 818 636 636 601 623 521 623 " +
    "596 352 623 633 274 344 592 274 973 633 607 623 623 427 521 394 633 592 818 592 592 525 635 " +
    "454 635 818",
  "bold 10px":
    "342 402 587 867 711 1272 862 332 543 543 711 867 361 480 361 689 711 711 711 711 711 711 711 " +
    "711 711 711 402 402 867 867 867 617 964 776 762 724 830 683 650 811 837 546 555 771 637 948 " +
    "847 850 733 850 782 710 682 812 764 1128 764 737 692 543 689 543 867 711 711 668 699 588 699 " +
    "664 422 699 712 342 403 671 342 1058 712 687 699 699 497 593 456 712 650 979 669 651 597 711 " +
    "543 711 867",
};
type Font = keyof typeof WIDTHS;

const widthsOf = (font: Font): readonly number[] =>
  WIDTHS[font].split(" ").map((hundredths) => Number(hundredths) / 100);
const FONTS: Record<Font, readonly number[]> = {
  "11px": widthsOf("11px"),
  "10px": widthsOf("10px"),
  "bold 10px": widthsOf("bold 10px"),
};

/** The colours of shields.io's flat style. */
const COLORS: Record<BadgeColor, string> = {
  brightgreen: "#4b0",
  orange: "#ea7233",
  red: "#dd4343",
  lightgrey: "#939393",
};

/** Pixels beside a text, and between the letters of a large badge. */
const PADDING = 5;
const LARGE_PADDING = 12;
const SPACING = 1.25;

/**
 * Return the width of a text in whole pixels. Fractions are added as shields.io adds them, with their
 * rounding: "lGt#<L" is 40 pixels wide by its letters, and 39 there.
 */
function pixels(text: string, font: Font): number {
  let width = 0;
  for (const char of printable(text))
    width += FONTS[font][char.charCodeAt(0) - 32] ?? (font === "11px" ? 11 : 10);
  return Math.floor(width);
}

/** Return the width of a text in whole pixels, made odd so that its middle falls on a pixel. */
function textWidth(text: string): number {
  const width = pixels(text, "11px");
  return width % 2 === 0 ? width + 1 : width;
}

/**
 * Escape a text for XML, which has no form for control characters and halves of pairs: they are shown,
 * as on a terminal.
 */
function escapeXml(text: string): string {
  return printable(text).replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** Styles of shields.io that are drawn. */
export const BADGE_STYLES = ["flat", "flat-square", "for-the-badge"] as const;
export type BadgeStyle = (typeof BADGE_STYLES)[number];

/** Draw a badge as SVG, in the dimensions of shields.io. */
export function badgeSvg(face: BadgeFace, style: BadgeStyle = "flat"): string {
  return style === "for-the-badge" ? largeBadge(face) : smallBadge(face, style);
}

/** One half of a badge: where it begins and how wide it is and its text, pixels. */
interface Half {
  readonly text: string;
  readonly left: number;
  readonly width: number;
  readonly textWidth: number;
  readonly fill: string;
}

function halvesOf(
  texts: readonly [string, string],
  widths: readonly [number, number],
  padding: number,
  color: BadgeColor,
): [Half, Half] {
  const [label, message] = widths.map((width) => width + 2 * padding) as [number, number];
  return [
    { text: texts[0], left: 0, width: label, textWidth: widths[0], fill: "#555" },
    { text: texts[1], left: label, width: message, textWidth: widths[1], fill: COLORS[color] },
  ];
}

function smallBadge({ label, message, color }: BadgeFace, style: "flat" | "flat-square"): string {
  const halves = halvesOf([label, message], [textWidth(label), textWidth(message)], PADDING, color);
  const flat = style === "flat";
  const rects = rectsOf(halves, 20);
  const total = widthOf(halves);
  const background = flat
    ? `<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/></linearGradient>` +
      `<clipPath id="r"><rect width="${total}" height="20" rx="3"/></clipPath>` +
      `<g clip-path="url(#r)">${rects}<rect width="${total}" height="20" fill="url(#s)"/></g>`
    : `<g shape-rendering="crispEdges">${rects}</g>`;
  const texts = halves.map((half) => (flat ? shadowOf(half) : "") + textOf(half, 140));
  return svg([label, message], halves, 20, 110, background, texts);
}

/** Letters are spaced, and in capitals. */
function largeBadge({ label, message, color }: BadgeFace): string {
  const texts = [label.toUpperCase(), message.toUpperCase()] as const;
  const spaced = (text: string, font: Font) => pixels(text, font) + SPACING * text.length;
  const widths = [spaced(texts[0], "10px"), spaced(texts[1], "bold 10px")] as const;
  const halves = halvesOf(texts, widths, LARGE_PADDING, color);
  const background = `<g shape-rendering="crispEdges">${rectsOf(halves, 28)}</g>`;
  const drawn = [textOf(halves[0], 175), textOf(halves[1], 175, ` font-weight="bold"`)];
  return svg(texts, halves, 28, 100, background, drawn);
}

function rectsOf(halves: readonly Half[], height: number): string {
  return halves
    .map(({ left, width, fill }) => {
      const x = left === 0 ? "" : ` x="${left}"`;
      return `<rect${x} width="${width}" height="${height}" fill="${fill}"/>`;
    })
    .join("");
}

const widthOf = (halves: readonly Half[]) => halves.reduce((sum, { width }) => sum + width, 0);

/** Draw a text at ten times the size and scaled down, as browsers round less there. */
function textOf({ text, left, width, textWidth: wide }: Half, y: number, more = ""): string {
  const x = (left + width / 2) * 10;
  return `<text transform="scale(.1)" x="${x}" y="${y}" textLength="${wide * 10}"${more}>${escapeXml(text)}</text>`;
}

function shadowOf(half: Half): string {
  return textOf(half, 150, ` aria-hidden="true" fill="#010101" fill-opacity=".3"`);
}

function svg(
  [label, message]: readonly [string, string],
  halves: readonly Half[],
  height: number,
  fontSize: number,
  background: string,
  texts: readonly string[],
): string {
  const title = escapeXml(`${label}: ${message}`);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${widthOf(halves)}" height="${height}" role="img" aria-label="${title}">` +
    `<title>${title}</title>${background}` +
    `<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" text-rendering="geometricPrecision" font-size="${fontSize}">` +
    `${texts.join("")}</g></svg>\n`
  );
}
