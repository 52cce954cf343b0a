/**
 * The open part of the tree of keys: levels are loaded page by page when they are opened or
 * scrolled to, and shown as one list of rows. What is held is bounded: a level that grows too long
 * gives up its beginning.
 */
import { asApiError, type ApiError } from "../api/api-error.ts";
import { latin1 } from "../api/bytes.ts";
import { Observable } from "../api/observable.ts";
import { bytesOfChild, type Child, loadLevel, type Ranger } from "./level.ts";

export type Row =
  | {
      readonly kind: "branch";
      readonly id: string;
      readonly depth: number;
      readonly prefix: Uint8Array;
      readonly parent: Uint8Array;
      readonly isOpen: boolean;
    }
  | {
      readonly kind: "leaf";
      readonly id: string;
      readonly depth: number;
      readonly key: Uint8Array;
      readonly parent: Uint8Array;
    }
  /** The level goes on (or is being loaded); loads when it is seen. */
  | {
      readonly kind: "more";
      readonly id: string;
      readonly depth: number;
      readonly parent: Uint8Array;
    }
  /** The beginning of the level was given up. */
  | {
      readonly kind: "earlier";
      readonly id: string;
      readonly depth: number;
      readonly parent: Uint8Array;
    }
  | {
      readonly kind: "failed";
      readonly id: string;
      readonly depth: number;
      readonly parent: Uint8Array;
      readonly error: ApiError;
    };

/** Children of one level that are held at a time: memory, and the length of the list in pixels. */
const MAX_LEVEL_CHILDREN = 20_000;

interface Level {
  readonly prefix: Uint8Array;
  children: readonly Child[];
  /** Where it goes on; undefined at its end. Not loaded yet: `from` of the first page. */
  next: Uint8Array | undefined;
  state: "waiting" | "loading" | "idle" | ApiError;
  hasEarlier: boolean;
}

export interface TreeOptions {
  readonly range: Ranger;
  readonly root: Uint8Array;
  readonly separator: Uint8Array;
  readonly revision: number;
  /** Branches that are open from the beginning. */
  readonly open?: readonly Uint8Array[] | undefined;
}

export class TreeStore {
  readonly rows = new Observable<readonly Row[]>([]);
  readonly #options: TreeOptions;
  readonly #levels = new Map<string, Level>();
  readonly #controller = new AbortController();

  constructor(options: TreeOptions) {
    this.#options = options;
    void this.#open(options.root);
    for (const prefix of options.open ?? []) if (!this.isOpen(prefix)) void this.#open(prefix);
  }

  /** For another tree of the same keys. */
  openPrefixes(): readonly Uint8Array[] {
    return [...this.#levels.values()].map(({ prefix }) => prefix);
  }

  /** Ends what is being loaded. */
  stop(): void {
    this.#controller.abort();
  }

  toggle(prefix: Uint8Array): void {
    if (!this.#levels.delete(latin1(prefix))) void this.#open(prefix);
    else this.#show();
  }

  isOpen(prefix: Uint8Array): boolean {
    return this.#levels.has(latin1(prefix));
  }

  /** The next page of a level that has one: its "more" row is seen. Loading already: nothing. */
  async more(parent: Uint8Array): Promise<void> {
    const level = this.#levels.get(latin1(parent));
    if (level === undefined || level.state === "loading" || level.state === "idle") return;
    await this.#load(level);
  }

  /** A level from its first child again. */
  async restart(parent: Uint8Array): Promise<void> {
    this.#levels.delete(latin1(parent));
    await this.#open(parent);
  }

  async #open(prefix: Uint8Array): Promise<void> {
    const level: Level = {
      prefix,
      children: [],
      next: undefined,
      state: "waiting",
      hasEarlier: false,
    };
    this.#levels.set(latin1(prefix), level);
    await this.#load(level);
  }

  async #load(level: Level): Promise<void> {
    level.state = "loading";
    this.#show();
    const { range, separator, revision } = this.#options;
    const query = { prefix: level.prefix, separator, revision, from: level.next };
    try {
      const { children, next } = await loadLevel(range, query, this.#controller.signal);
      const all = [...level.children, ...children];
      level.hasEarlier ||= all.length > MAX_LEVEL_CHILDREN;
      level.children = all.slice(-MAX_LEVEL_CHILDREN);
      level.next = next;
      level.state = next === undefined ? "idle" : "waiting";
      this.#openOnly(level);
    } catch (error) {
      if (this.#controller.signal.aborted) return;
      level.state = asApiError(error);
    }
    this.#show();
  }

  /** A level with nothing but one branch says nothing: it is opened at once. */
  #openOnly(level: Level): void {
    const [only, ...others] = level.children;
    if (level.state !== "idle" || others.length > 0 || only?.kind !== "branch") return;
    if (!this.isOpen(only.prefix)) void this.#open(only.prefix);
  }

  #show(): void {
    const rows: Row[] = [];
    this.#append(rows, this.#options.root, 0);
    this.rows.set(rows);
  }

  #append(rows: Row[], parent: Uint8Array, depth: number): void {
    const level = this.#levels.get(latin1(parent));
    if (level === undefined) return;
    const id = latin1(parent);
    if (level.hasEarlier) rows.push({ kind: "earlier", id: `e${id}`, depth, parent });
    for (const child of level.children) {
      const bytes = bytesOfChild(child);
      if (child.kind === "leaf") {
        rows.push({ kind: "leaf", id: `k${latin1(bytes)}`, depth, key: bytes, parent });
        continue;
      }
      const isOpen = this.isOpen(bytes);
      rows.push({ kind: "branch", id: `b${latin1(bytes)}`, depth, prefix: bytes, parent, isOpen });
      if (isOpen) this.#append(rows, bytes, depth + 1);
    }
    if (level.state === "loading" || level.state === "waiting") {
      rows.push({ kind: "more", id: `m${id}`, depth, parent });
    } else if (level.state !== "idle") {
      rows.push({ kind: "failed", id: `f${id}`, depth, parent, error: level.state });
    }
  }
}
