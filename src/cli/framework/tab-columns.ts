/**
 * Aligns columns of text with tabs: what Go's text/tabwriter does with tab stops of 8 and at least
 * one column of distance. Neighbouring lines that have a cell in a column share its width.
 */

const TAB_STOP = 8;

/** Cells are separated by tabs in the input, and padded with tabs in the output. */
export function alignTabs(text: string): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const widths = lines.map((): number[] => []);
  const columns = Math.max(...lines.map((line) => line.length)) - 1;
  for (let column = 0; column < columns; column++) {
    for (let from = 0; from < lines.length; from++) {
      if ((lines[from]?.length ?? 0) <= column + 1) continue;
      let end = from;
      let width = 0;
      while (end < lines.length && (lines[end]?.length ?? 0) > column + 1) {
        width = Math.max(width, [...(lines[end]?.[column] ?? "")].length + 1);
        end++;
      }
      for (let i = from; i < end; i++) widths[i]?.push(width);
      from = end;
    }
  }
  return lines.map((cells, i) => padCells(cells, widths[i] ?? [])).join("\n");
}

function padCells(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, i) => {
      const width = widths[i];
      if (width === undefined) return cell;
      const full = Math.ceil(width / TAB_STOP) * TAB_STOP;
      return cell + "\t".repeat(Math.ceil((full - [...cell].length) / TAB_STOP));
    })
    .join("");
}
