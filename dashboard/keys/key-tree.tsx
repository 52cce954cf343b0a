/** The tree of keys: branches open and close, a key is chosen. */
import { type ApiError, messageOf } from "../api/api-error.ts";
import { latin1, shownText } from "../api/bytes.ts";
import { prefixRange, range } from "../api/kv.ts";
import { useApp, useObservable } from "../frame/app.ts";
import { Empty } from "../ui/notice.tsx";
import { usePolling } from "../ui/polling.ts";
import { type RowPlace, VirtualTree } from "../ui/virtual-tree.tsx";
import type { Row, TreeStore } from "./tree-store.ts";

export interface KeyTreeProps {
  readonly tree: TreeStore;
  readonly root: Uint8Array;
  readonly selected: Uint8Array | undefined;
  /** A key, or a branch by its prefix. */
  readonly onSelect: (bytes: Uint8Array, kind: "key" | "branch") => void;
  /** Where there was no key, there is one; undefined: of the past, which does not change. */
  readonly onFirstKey: (() => void) | undefined;
}

const FIRST_KEY_INTERVAL_MS = 2000;

export function KeyTree({ tree, root, selected, onSelect, onFirstKey }: KeyTreeProps) {
  const rows = useObservable(tree.rows);
  const selectedId = selected === undefined ? undefined : `k${latin1(selected)}`;
  const choose = (row: Row): void => {
    if (row.kind === "leaf") onSelect(row.key, "key");
    else if (row.kind === "branch") {
      tree.toggle(row.prefix);
      onSelect(row.prefix, "branch");
    } else if (row.kind === "earlier") void tree.restart(row.parent);
    else void tree.more(row.parent);
  };
  const onKey = (key: string, row: Row, index: number, move: (to: number) => void): boolean => {
    if (key === "Enter" || key === " ") choose(row);
    else if (key === "ArrowRight" && row.kind === "branch") {
      if (row.isOpen) move(index + 1);
      else tree.toggle(row.prefix);
    } else if (key === "ArrowLeft") {
      if (row.kind === "branch" && row.isOpen) tree.toggle(row.prefix);
      else move(parentIndex(rows, index));
    } else return false;
    return true;
  };
  if (rows.length === 0) {
    const title = root.length === 0 ? "There are no keys yet" : "No key begins like that";
    if (onFirstKey === undefined) return <Empty title={title} />;
    return (
      <Empty title={title}>
        <FirstKey root={root} onFirstKey={onFirstKey} />
      </Empty>
    );
  }
  return (
    <VirtualTree
      rows={rows}
      label="Keys"
      idOf={(row) => row.id}
      target={selectedId}
      onSeen={(row) => {
        if (row.kind === "more") void tree.more(row.parent);
      }}
      onChoose={choose}
      onKey={onKey}
      render={(row, place) => (
        <TreeRow row={row} place={place} root={root} isSelected={row.id === selectedId} />
      )}
    />
  );
}

function FirstKey({ root, onFirstKey }: { root: Uint8Array; onFirstKey: () => void }) {
  const { api } = useApp();
  usePolling(
    async (signal) => {
      const { kvs } = await range(
        api,
        { ...prefixRange(root), limit: 1, keysOnly: true },
        { signal },
      );
      if (kvs.length > 0) onFirstKey();
    },
    FIRST_KEY_INTERVAL_MS,
    [root],
  );
  return <p>Create one, or use a client: this view shows it within seconds.</p>;
}

/** The row of the branch that a row is below. */
function parentIndex(rows: readonly Row[], index: number): number {
  const depth = rows[index]?.depth ?? 0;
  for (let i = index - 1; i >= 0; i--) if ((rows[i]?.depth ?? 0) < depth) return i;
  return index;
}

interface TreeRowProps {
  readonly row: Row;
  readonly place: RowPlace;
  readonly root: Uint8Array;
  readonly isSelected: boolean;
}

/** Deeper rows are no longer moved to the right: the name must keep its place. */
const MAX_INDENTS = 12;

function TreeRow({ row, place, root, isSelected }: TreeRowProps) {
  const isOpen = row.kind === "branch" ? row.isOpen : undefined;
  return (
    <div
      id={place.domId}
      class={`tree-row tree-${row.kind}${place.isActive ? " tree-active" : ""}`}
      role="treeitem"
      tabIndex={-1}
      aria-level={row.depth + 1}
      aria-expanded={isOpen}
      aria-selected={isSelected}
      style={{ paddingLeft: `${8 + Math.min(row.depth, MAX_INDENTS) * 16}px` }}
    >
      <span class="tree-sign" aria-hidden="true">
        {isOpen === undefined ? "" : isOpen ? "▾" : "▸"}
      </span>
      <RowText row={row} root={root} />
    </div>
  );
}

function RowText({ row, root }: { readonly row: Row; readonly root: Uint8Array }) {
  switch (row.kind) {
    case "branch":
    case "leaf": {
      const bytes = row.kind === "leaf" ? row.key : row.prefix;
      // At the top the whole key is shown, so that a searched prefix is seen.
      const from = row.parent.length === root.length ? 0 : row.parent.length;
      const name = shownText(bytes.subarray(from));
      return (
        <span class="tree-name mono" title={shownText(bytes)}>
          {name === "" ? <em class="muted">(empty)</em> : name}
        </span>
      );
    }
    case "more":
      return <span class="muted">Loading…</span>;
    case "earlier":
      return <span class="link">Earlier keys are hidden; begin again</span>;
    case "failed":
      return <span class="tree-problem">{problemOf(row.error)}</span>;
  }
}

function problemOf(error: ApiError): string {
  if (error.kind === "denied") return "Permission denied. Search for a prefix that you may read.";
  return `${messageOf(error)} (click to try again)`;
}
