/**
 * Tables in ASCII frames, as etcd's tools print them with `--write-out=table`: headings centred and
 * in capitals, cells to the right, long texts on several lines.
 */
import { displayWidth, wrapText } from "./wrap.ts";

/** Texts that are longer are broken at blanks. */
const MAX_CELL_COLUMNS = 30;

/** Frame, headings, rows and the final line feed. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const titles = headings.map(titleOf);
  const wrapped = rows.map((row) => row.map((cell) => wrapText(cell, MAX_CELL_COLUMNS)));
  const widths = titles.map((title, i) =>
    Math.max(
      displayWidth(title),
      ...rows.map((row) => Math.min(displayWidth(row[i] ?? ""), MAX_CELL_COLUMNS)),
      ...wrapped.flatMap((row) => (row[i] ?? []).map(displayWidth)),
    ),
  );
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const line = (cells: readonly string[], pad: (cell: string, width: number) => string): string =>
    `|${widths.map((width, i) => ` ${pad(cells[i] ?? "", width)} `).join("|")}|\n`;
  const body = wrapped.map((row) => {
    const height = Math.max(1, ...row.map((cell) => cell.length));
    const lines = Array.from({ length: height }, (_, at) => row.map((cell) => cell[at] ?? ""));
    return lines.map((cells) => line(cells, alignRight)).join("");
  });
  return `${rule}${line(titles, centre)}${rule}${body.join("")}${rows.length === 0 ? "" : rule}`;
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
