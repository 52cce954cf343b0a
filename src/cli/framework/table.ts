/**
 * Tables in ASCII frames, as etcd's tools print them with `--write-out=table`: headings centred and
 * in capitals, cells to the right.
 */

/** Frame, headings, rows and the final line feed. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const titles = headings.map(titleOf);
  const widths = titles.map((title, i) =>
    Math.max(displayWidth(title), ...rows.map((row) => displayWidth(row[i] ?? ""))),
  );
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const line = (cells: readonly string[], pad: (cell: string, width: number) => string): string =>
    `|${widths.map((width, i) => ` ${pad(cells[i] ?? "", width)} `).join("|")}|\n`;
  const body = rows.map((row) => line(row, alignRight)).join("");
  return `${rule}${line(titles, centre)}${rule}${body}${rows.length === 0 ? "" : rule}`;
}

/** "raft_index" is "RAFT INDEX". */
function titleOf(heading: string): string {
  return heading.replaceAll("_", " ").trim().toUpperCase();
}

function alignRight(cell: string, width: number): string {
  return " ".repeat(width - displayWidth(cell)) + cell;
}

function centre(cell: string, width: number): string {
  const gap = width - displayWidth(cell);
  const before = Math.floor(gap / 2);
  return " ".repeat(before) + cell + " ".repeat(gap - before);
}

function displayWidth(text: string): number {
  return [...text].length;
}
