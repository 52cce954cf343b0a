/** Long cells of tables on several lines, and how wide text is on a terminal. */

/** East Asian letters and most emoji take two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const MARK = /\p{Mn}/u;

/** Columns that the text takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text)
    width += char < "\u0300" ? 1 : WIDE.test(char) ? 2 : MARK.test(char) ? 0 : 1;
  return width;
}

/**
 * The text in lines of at most `limit` columns, broken at blanks; a longer word raises the limit. Of
 * all ways to break, the one whose lines are most alike: the least sum of squares of the free room,
 * the last line not counted. Line feeds count as blanks; two blanks make an empty word.
 */
export function wrapText(text: string, limit: number): string[] {
  const words = text.split(/[ \n]/);
  const widths = words.map(displayWidth);
  const room = Math.max(limit, ...widths);
  /** For the words from here on: the least sum, and where its first line ends. */
  const best: { cost: number; end: number }[] = [];
  for (let from = words.length - 1; from >= 0; from--) {
    let found = { cost: Number.POSITIVE_INFINITY, end: from + 1 };
    let width = -1;
    for (let end = from + 1; end <= words.length; end++) {
      width += 1 + (widths[end - 1] ?? 0);
      if (width > room) break;
      if (end === words.length) {
        found = { cost: 0, end };
        break;
      }
      const cost = (room - width) ** 2 + (best[end]?.cost ?? 0);
      if (cost < found.cost) found = { cost, end };
    }
    best[from] = found;
  }
  const lines: string[] = [];
  for (let at = 0; at < words.length; ) {
    const end = best[at]?.end ?? words.length;
    lines.push(words.slice(at, end).join(" "));
    at = end;
  }
  return lines;
}
