/** Views of what fills the database: `etcdctl du`. */
import { bytesFromLatin1 } from "../../base/bytes.ts";
import { quote } from "../../base/go-quote.ts";
import { humanizeBytes } from "../../base/go-text.ts";
import { bytesOf, type SpaceNode } from "../../insight/space.ts";
import type { JsonValue } from "./go-json.ts";
import type { View } from "./view.ts";

const HEADINGS = ["Keys", "Size", "Writes", "Prefix"];

/** A tree, each prefix before its children; figures that come from samples have a "~". */
export function spaceView(root: SpaceNode): View {
  return {
    simple: (out) => {
      const rows = [HEADINGS, ...rowsOf(root, 0, out.hex)];
      const widths = [0, 1, 2].map((i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
      for (const row of rows) {
        const figures = widths.map((width, i) => (row[i] ?? "").padStart(width));
        out.line(`${figures.join("  ")}  ${row[3]}`);
      }
    },
    json: () => jsonOf(root),
    table: () => ({ headings: HEADINGS, rows: rowsOf(root, 0, false) }),
  };
}

function rowsOf(node: SpaceNode, level: number, hex: boolean): string[][] {
  const about = node.sampled < node.keys ? "~" : "";
  const row = [
    String(node.keys),
    about + humanizeBytes(bytesOf(node)),
    about + String(node.writes),
    "  ".repeat(level) + nameOf(node, hex),
  ];
  return [row, ...node.children.flatMap((child) => rowsOf(child, level + 1, hex))];
}

const PLAIN = /^[!-~]+$/;

/** Bare where a terminal shows it as it is. */
function nameOf({ kind, prefix }: SpaceNode, hex: boolean): string {
  const bytes = bytesFromLatin1(prefix);
  const shown = PLAIN.test(prefix) ? prefix : quote(bytes);
  const name = hex ? bytes.toString("hex") : shown;
  if (kind === "keys") return `${name} (keys)`;
  return kind === "rest" ? `${name} (others)` : name;
}

function jsonOf(node: SpaceNode): JsonValue {
  return {
    kind: node.kind,
    prefix: bytesFromLatin1(node.prefix),
    keys: node.keys,
    key_bytes: node.keyBytes,
    value_bytes: node.valueBytes,
    writes: node.writes,
    sampled_keys: node.sampled,
    children: node.children.map(jsonOf),
  };
}
