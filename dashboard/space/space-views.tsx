/** A survey of space as an icicle plot, and as a table. */
import { bytesOf, type SpaceNode } from "../../src/insight/space.ts";
import { shownLatin1 } from "../api/latin1.ts";
import { routeHref } from "../frame/router.ts";
import { bytesText, countText } from "../ui/format.ts";
import { type Cell, cellsOf, firstParting, type Measure, measureOf } from "./icicle.ts";

interface SpaceProps {
  readonly root: SpaceNode;
  readonly measure: Measure;
  readonly separator: string;
}

const ROW_REM = 2;
/** Colours for the parts of the first level, which come again. */
const FAMILIES = 6;
/** Rows of the table. */
const SHOWN_ROWS = 50;

export function SpacePlot({ root, measure, separator }: SpaceProps) {
  const cells = cellsOf(root, measure);
  const levels = 1 + Math.max(...cells.map(({ level }) => level));
  return (
    <section
      class="icicle"
      style={{ height: `${levels * ROW_REM}rem` }}
      aria-label="What fills the database, by prefix"
    >
      {cells.map((cell) => (
        <PlotCell
          key={`${cell.node.kind} ${cell.node.prefix} ${cell.level}`}
          {...{ root, measure, separator, cell }}
        />
      ))}
    </section>
  );
}

function PlotCell(props: SpaceProps & { readonly cell: Cell }) {
  const { root, measure, separator, cell } = props;
  const { node, level, left, width, family, within } = cell;
  const label = `${nameOf(node)}: ${figuresText(node)}, ${shareText(node, root, measure)}`;
  const style = {
    left: `${left * 100}%`,
    width: `${width * 100}%`,
    top: `${level * ROW_REM}rem`,
    height: `${ROW_REM}rem`,
  };
  const colour = family === 0 ? 0 : ((family - 1) % FAMILIES) + 1;
  const name = `icicle-cell icicle-${colour}`;
  if (node.kind !== "prefix" || level === 0) {
    return (
      <div class={name} style={style} title={label} role="img" aria-label={label}>
        {nameOf(node)}
      </div>
    );
  }
  return (
    <a class={name} style={style} title={label} aria-label={label} href={linkTo(node, separator)}>
      {shownLatin1(node.prefix.slice(within.length))}
    </a>
  );
}

export function SpaceTable({ root, measure, separator }: SpaceProps) {
  const whole = firstParting(root);
  const parts = whole.children.length === 0 ? [whole] : whole.children;
  const rows = [...parts].sort((a, b) => measureOf(b, measure) - measureOf(a, measure));
  return (
    <div class="table-box">
      <table class="table">
        <thead>
          <tr>
            <th>Prefix</th>
            <th class="number">Keys</th>
            <th class="number">Bytes</th>
            <th class="number">Mean value</th>
            <th class="number">Writes</th>
            <th class="number">Writes per key</th>
            <th class="number">Share</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, SHOWN_ROWS).map((node) => (
            <SpaceRow
              key={`${node.kind} ${node.prefix}`}
              node={node}
              link={node.kind === "prefix" && node !== root ? linkTo(node, separator) : undefined}
              share={shareText(node, root, measure)}
            />
          ))}
          <tr>
            <td>
              <strong>Together</strong>
            </td>
            <Figures node={root} />
            <td />
          </tr>
        </tbody>
      </table>
      {rows.length > SHOWN_ROWS && (
        <p class="muted">And {countText(rows.length - SHOWN_ROWS)} smaller ones.</p>
      )}
    </div>
  );
}

function SpaceRow(props: {
  readonly node: SpaceNode;
  readonly link: string | undefined;
  readonly share: string;
}) {
  const { node, link, share } = props;
  return (
    <tr>
      <td class="mono wrap">
        {link === undefined ? nameOf(node) : <a href={link}>{nameOf(node)}</a>}
      </td>
      <Figures node={node} />
      <td class="number">{share}</td>
    </tr>
  );
}

function Figures({ node }: { readonly node: SpaceNode }) {
  const about = node.sampled < node.keys ? "~" : "";
  const { keys, writes, valueBytes } = node;
  return (
    <>
      <td class="number">{countText(keys)}</td>
      <td class="number">
        {about}
        {bytesText(bytesOf(node))}
      </td>
      <td class="number">{keys === 0 ? "–" : about + bytesText(Math.round(valueBytes / keys))}</td>
      <td class="number">
        {about}
        {countText(writes)}
      </td>
      <td class="number">{keys === 0 ? "–" : about + (writes / keys).toFixed(1)}</td>
    </>
  );
}

function nameOf({ kind, prefix }: SpaceNode): string {
  const shown = shownLatin1(prefix);
  if (kind === "keys") return `keys in ${shown || "no prefix"}`;
  if (kind === "rest") return `others in ${shown || "no prefix"}`;
  return shown || "all keys";
}

function figuresText(node: SpaceNode): string {
  const about = node.sampled < node.keys ? "about " : "";
  return `${countText(node.keys)} keys, ${about}${bytesText(bytesOf(node))}`;
}

function shareText(node: SpaceNode, root: SpaceNode, measure: Measure): string {
  const whole = measureOf(root, measure);
  return whole === 0 ? "–" : `${((100 * measureOf(node, measure)) / whole).toFixed(1)} %`;
}

function linkTo({ prefix }: SpaceNode, separator: string): string {
  const other = separator === "/" ? undefined : separator;
  return routeHref("space", { prefix: shownLatin1(prefix), separator: other });
}
