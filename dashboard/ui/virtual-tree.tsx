/**
 * A long tree as a list of rows of one height, of which only those in sight exist. One stop for the
 * Tab key; inside, the arrow keys move.
 */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** In pixels: --row of the style sheets. */
const ROW_HEIGHT = 26;
/** Rows beyond the edges, so that scrolling shows no gaps. */
const MARGIN_ROWS = 12;

export interface VirtualTreeProps<T> {
  readonly rows: readonly T[];
  readonly label: string;
  readonly idOf: (row: T) => string;
  /** An element with `id={domId}` and the role "treeitem"; `isActive`: the keyboard is there. */
  readonly render: (row: T, place: RowPlace) => JSX.Element;
  /** By a click. */
  readonly onChoose: (row: T) => void;
  /** A row that is in sight for the first time since the rows changed. */
  readonly onSeen?: (row: T) => void;
  /** Keys that the list does not know itself, on the active row. True: taken. */
  readonly onKey?: (key: string, row: T, index: number, move: (to: number) => void) => boolean;
  /** Row to bring into sight when this changes. */
  readonly target?: string | undefined;
}

export interface RowPlace {
  readonly domId: string;
  readonly index: number;
  readonly isActive: boolean;
}

export function VirtualTree<T>(props: VirtualTreeProps<T>) {
  const { rows, idOf, render, onSeen, target } = props;
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [active, setActive] = useState<string>();
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  // Rows may have become fewer than what was scrolled past.
  const from = Math.max(0, Math.min(top, rows.length * ROW_HEIGHT - height));
  const first = Math.max(0, Math.floor(from / ROW_HEIGHT) - MARGIN_ROWS);
  const last = Math.min(rows.length, Math.ceil((from + height) / ROW_HEIGHT) + MARGIN_ROWS);
  const shown = rows.slice(first, last);
  useEffect(() => {
    if (onSeen !== undefined) for (const row of shown) onSeen(row);
  }, [rows, first, last]);
  const moveTo = (index: number): void => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (row === undefined) return;
    setActive(idOf(row));
    scrollTo(box.current, rows.indexOf(row));
  };
  useEffect(() => {
    const index = target === undefined ? -1 : rows.findIndex((row) => idOf(row) === target);
    if (index < 0) return;
    setActive(target);
    scrollTo(box.current, index);
  }, [target, target !== undefined && rows.length > 0]);
  const activeIndex = active === undefined ? -1 : rows.findIndex((row) => idOf(row) === active);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = movedTo(event.key, activeIndex, rows.length, Math.floor(height / ROW_HEIGHT));
    const row = rows[activeIndex];
    const isTaken =
      to !== undefined || (row !== undefined && props.onKey?.(event.key, row, activeIndex, moveTo));
    if (to !== undefined) moveTo(to);
    if (isTaken === true) event.preventDefault();
  };
  return (
    <div
      ref={box}
      class="rows"
      role="tree"
      aria-label={props.label}
      tabIndex={0}
      aria-activedescendant={activeIndex < 0 ? undefined : domIdOf(props.label, activeIndex)}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={onKeyDown}
      onClick={(event) => {
        const place = (event.target as Element).closest<HTMLElement>("[data-index]");
        const row = rows[Number(place?.dataset["index"] ?? -1)];
        if (row === undefined) return;
        setActive(idOf(row));
        props.onChoose(row);
      }}
      onFocus={() => {
        if (activeIndex < 0 && rows[0] !== undefined) setActive(idOf(rows[0]));
      }}
    >
      <div
        class="rows-space"
        role="presentation"
        style={{ height: `${rows.length * ROW_HEIGHT}px` }}
      >
        {shown.map((row, i) => {
          const index = first + i;
          return (
            <div
              key={idOf(row)}
              class="rows-place"
              role="presentation"
              style={{ top: `${index * ROW_HEIGHT}px` }}
              data-index={index}
            >
              {render(row, {
                domId: domIdOf(props.label, index),
                index,
                isActive: index === activeIndex,
              })}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function domIdOf(label: string, index: number): string {
  return `${label.replace(/\W/g, "-")}-${index}`;
}

function movedTo(key: string, index: number, count: number, page: number): number | undefined {
  switch (key) {
    case "ArrowDown":
      return index + 1;
    case "ArrowUp":
      return index - 1;
    case "PageDown":
      return index + page;
    case "PageUp":
      return index - page;
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return undefined;
  }
}

function scrollTo(box: HTMLElement | null, index: number): void {
  if (box === null) return;
  const from = index * ROW_HEIGHT;
  if (from < box.scrollTop) box.scrollTop = from;
  else if (from + ROW_HEIGHT > box.scrollTop + box.clientHeight) {
    box.scrollTop = from + ROW_HEIGHT - box.clientHeight;
  }
}
