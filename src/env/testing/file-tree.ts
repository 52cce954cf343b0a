/**
 * Names and directories of the fault disk. Each directory knows its entries as readers see them and
 * as they surely are on the platter; the changes in between are kept in one ordered list.
 */
import type { FileInfo } from "../disk.ts";
import type { Random } from "../random.ts";
import { fail } from "./fault-plan.ts";
import { PageCacheFile } from "./page-cache-file.ts";

/** Which changes of names, not yet made durable by a directory sync, survive a crash. */
export interface NamePolicy {
  /** "prefix": the oldest ones, as a journal keeps them; "any": each by its own chance. */
  readonly names: "keep" | "drop" | "prefix" | "any";
}

class Directory {
  readonly mode: number;
  entries = new Map<string, Node>();
  durable = new Map<string, Node>();

  constructor(mode: number) {
    this.mode = mode;
  }
}
type Node = Directory | PageCacheFile;

/** One atomic change of names: in each directory, what a name stands for afterwards. */
interface NameChange {
  readonly sequence: number;
  readonly effects: readonly { directory: Directory; name: string; node: Node | undefined }[];
  /** Durable when this is empty. */
  readonly unsynced: Set<Directory>;
}

export class FileTree {
  /** Sum of the lengths of all files that have a name or an open handle. */
  usedBytes = 0;
  /** How many changes of names there have been. */
  nameChanges = 0;
  readonly #root: Directory;
  #pending: NameChange[] = [];

  constructor(root: Directory = new Directory(0o755)) {
    this.#root = root;
  }

  lookup(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const segment of split(path)) {
      if (!(node instanceof Directory)) return undefined;
      node = node.entries.get(segment);
    }
    return node;
  }

  file(path: string): PageCacheFile {
    const node = this.lookup(path);
    if (node === undefined) throw fail("ENOENT", "open", path);
    if (node instanceof Directory) throw fail("EISDIR", "open", path);
    return node;
  }

  info(path: string): FileInfo | undefined {
    const node = this.lookup(path);
    if (node === undefined) return undefined;
    const isDirectory = node instanceof Directory;
    const name = split(path).at(-1) ?? "/";
    return { name, isDirectory, size: isDirectory ? 0 : node.length, mode: node.mode };
  }

  names(path: string): string[] {
    return [...this.#directory(path).entries.keys()].sort((a, b) => (a < b ? -1 : 1));
  }

  createFile(path: string, mode: number): PageCacheFile {
    const { parent, name } = this.#parentOf(path);
    const file = new PageCacheFile(mode);
    this.#change([{ directory: parent, name, node: file }]);
    return file;
  }

  makeDirectories(path: string, mode: number): void {
    let at = this.#root;
    for (const name of split(path)) {
      let next = at.entries.get(name);
      if (next === undefined) {
        next = new Directory(mode);
        this.#change([{ directory: at, name, node: next }]);
      }
      if (!(next instanceof Directory)) throw fail("ENOTDIR", "mkdir", path);
      at = next;
    }
  }

  rename(from: string, to: string): void {
    const node = this.lookup(from);
    if (node === undefined) throw fail("ENOENT", "rename", from);
    const source = this.#parentOf(from);
    const target = this.#parentOf(to);
    const replaced = target.parent.entries.get(target.name);
    if (replaced === node) return;
    if (replaced instanceof Directory) {
      if (!(node instanceof Directory)) throw fail("EISDIR", "rename", to);
      if (replaced.entries.size > 0) throw fail("ENOTEMPTY", "rename", to);
    } else if (replaced !== undefined && node instanceof Directory) {
      throw fail("ENOTDIR", "rename", to);
    }
    this.#change([
      { directory: source.parent, name: source.name, node: undefined },
      { directory: target.parent, name: target.name, node },
    ]);
  }

  remove(path: string): void {
    const node = this.lookup(path);
    if (node === undefined) throw fail("ENOENT", "remove", path);
    if (node instanceof Directory && node.entries.size > 0) throw fail("ENOTEMPTY", "remove", path);
    const { parent, name } = this.#parentOf(path);
    this.#change([{ directory: parent, name, node: undefined }]);
  }

  /** The paths below and at `path`, children before their directory; none when it is missing. */
  descendants(path: string): string[] {
    const node = this.lookup(path);
    if (node === undefined) return [];
    if (!(node instanceof Directory)) return [path];
    const found: string[] = [];
    for (const name of node.entries.keys()) found.push(...this.descendants(`${path}/${name}`));
    found.push(path);
    return found;
  }

  /** Covers the first `covered` changes of names. */
  syncDirectory(path: string, covered: number = this.nameChanges): void {
    const directory = this.#directory(path);
    for (const change of this.#pending) {
      if (change.sequence < covered) change.unsynced.delete(directory);
    }
    // A later change of a name waits for an earlier one of the same name that is still pending.
    const rest: NameChange[] = [];
    for (const change of this.#pending) {
      const blocked = rest.some((earlier) => overlaps(earlier, change));
      if (change.unsynced.size > 0 || blocked) rest.push(change);
      else makeDurable(change);
    }
    this.#pending = rest;
  }

  syncAll(): void {
    for (const change of this.#pending) makeDurable(change);
    this.#pending = [];
    forEachFile(this.#root, (file) => file.markSynced(file.pendingChanges));
  }

  /** The process is gone: removed files give their space back, and nothing is locked any more. */
  dropHandles(): void {
    const names = new Map<PageCacheFile, number>();
    forEachFile(this.#root, (file) => names.set(file, (names.get(file) ?? 0) + 1));
    this.usedBytes = 0;
    for (const [file, count] of names) {
      file.references = count;
      file.unlockAll();
      this.usedBytes += file.length;
    }
  }

  /** An open handle keeps a removed file's space. */
  hold(file: PageCacheFile): void {
    file.references++;
  }

  release(file: PageCacheFile): void {
    if (--file.references === 0) this.usedBytes -= file.length;
  }

  /** The names that survive, over the files that `survivor` makes of the old ones. */
  afterCrash(
    random: Random,
    policy: NamePolicy,
    survivor: (file: PageCacheFile) => PageCacheFile,
  ): FileTree {
    const names = new Map<Directory, Map<string, Node>>();
    const entriesOf = (directory: Directory): Map<string, Node> => {
      let entries = names.get(directory);
      if (entries === undefined) {
        entries = new Map(directory.durable);
        names.set(directory, entries);
      }
      return entries;
    };
    for (const change of survivingChanges(this.#pending, random, policy)) {
      for (const { directory, name, node } of change.effects) {
        if (node === undefined) entriesOf(directory).delete(name);
        else entriesOf(directory).set(name, node);
      }
    }
    const files = new Map<PageCacheFile, PageCacheFile>();
    let usedBytes = 0;
    const rebuild = (directory: Directory): Directory => {
      const copy = new Directory(directory.mode);
      for (const [name, node] of entriesOf(directory)) {
        if (node instanceof Directory) {
          copy.entries.set(name, rebuild(node));
          continue;
        }
        let file = files.get(node);
        if (file === undefined) {
          file = survivor(node);
          files.set(node, file);
          usedBytes += file.length;
        }
        file.references++;
        copy.entries.set(name, file);
      }
      copy.durable = new Map(copy.entries);
      return copy;
    };
    const tree = new FileTree(rebuild(this.#root));
    tree.usedBytes = usedBytes;
    return tree;
  }

  #change(effects: NameChange["effects"]): void {
    for (const { node } of effects) if (node instanceof PageCacheFile) this.hold(node);
    for (const { directory, name, node } of effects) {
      const replaced = directory.entries.get(name);
      if (replaced instanceof PageCacheFile) this.release(replaced);
      if (node === undefined) directory.entries.delete(name);
      else directory.entries.set(name, node);
    }
    this.#pending.push({
      sequence: this.nameChanges++,
      effects,
      unsynced: new Set(effects.map((effect) => effect.directory)),
    });
  }

  #directory(path: string): Directory {
    const node = this.lookup(path);
    if (node === undefined) throw fail("ENOENT", "open", path);
    if (!(node instanceof Directory)) throw fail("ENOTDIR", "open", path);
    return node;
  }

  #parentOf(path: string): { parent: Directory; name: string } {
    const segments = split(path);
    const name = segments.pop();
    if (name === undefined) throw fail("EISDIR", "open", path);
    return { parent: this.#directory(segments.join("/")), name };
  }
}

function survivingChanges(
  pending: readonly NameChange[],
  random: Random,
  policy: NamePolicy,
): readonly NameChange[] {
  switch (policy.names) {
    case "keep":
      return pending;
    case "drop":
      return [];
    case "prefix":
      return pending.slice(0, random.below(pending.length + 1));
    case "any":
      return pending.filter(() => random.below(2) === 1);
  }
}

function makeDurable(change: NameChange): void {
  for (const { directory, name, node } of change.effects) {
    if (node === undefined) directory.durable.delete(name);
    else directory.durable.set(name, node);
  }
}

function overlaps(a: NameChange, b: NameChange): boolean {
  return a.effects.some((x) =>
    b.effects.some((y) => x.directory === y.directory && x.name === y.name),
  );
}

function forEachFile(directory: Directory, visit: (file: PageCacheFile) => void): void {
  for (const node of directory.entries.values()) {
    if (node instanceof Directory) forEachFile(node, visit);
    else visit(node);
  }
}

function split(path: string): string[] {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return segments;
}
