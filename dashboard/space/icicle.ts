/** Where the parts of a survey stand in an icicle plot: below their whole, as wide as they weigh. */
import { bytesOf, type SpaceNode } from "../../src/insight/space.ts";

export type Measure = "bytes" | "keys" | "writes";

export interface Cell {
  readonly node: SpaceNode;
  /** 0 for the whole. */
  readonly level: number;
  /** Parts of the whole width, from 0 to 1. */
  readonly left: number;
  readonly width: number;
  /** Of the part of the first parting that it belongs to; 0 for what stands above it. */
  readonly family: number;
  /** What its own name begins behind. */
  readonly within: string;
}

/** Narrower ones cannot be seen. */
const MIN_WIDTH = 0.002;

export function measureOf(node: SpaceNode, measure: Measure): number {
  return measure === "bytes" ? bytesOf(node) : node[measure];
}

export function cellsOf(root: SpaceNode, measure: Measure): readonly Cell[] {
  const cells: Cell[] = [];
  const add = (cell: Cell) => {
    const { node, level, left, width, family } = cell;
    if (width < MIN_WIDTH) return;
    cells.push(cell);
    const whole = measureOf(node, measure);
    if (whole === 0) return;
    let at = left;
    const parts = [...node.children].sort((a, b) => measureOf(b, measure) - measureOf(a, measure));
    for (const [i, part] of parts.entries()) {
      const share = (width * measureOf(part, measure)) / whole;
      add({
        ...{ node: part, level: level + 1, left: at, width: share, within: node.prefix },
        family: family === 0 && parts.length > 1 ? i + 1 : family,
      });
      at += share;
    }
  };
  add({ node: root, level: 0, left: 0, width: 1, family: 0, within: "" });
  return cells;
}

/** The whole of the first parting: a prefix that is all there is says nothing. */
export function firstParting(root: SpaceNode): SpaceNode {
  const [only] = root.children;
  return root.children.length === 1 && only !== undefined ? firstParting(only) : root;
}
