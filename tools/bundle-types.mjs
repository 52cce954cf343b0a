// Types of the libraries: of the declarations that tsc wrote, those that the entries lead to. Plain
// JavaScript, because tools/build.mjs runs it before anything is compiled.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** Fills `dist`/types, a folder that says that it describes CommonJS. */
export function bundleTypes(dist, libraries) {
  const types = join(dist, "types");
  rmSync(types, { recursive: true, force: true });
  const world = new Declarations(join(dist, "src"));
  const entries = libraries.map((name) => join(dist, "src", name, "index.d.ts"));
  for (const entry of entries) world.reachAll(entry);
  for (const [path, text] of world.texts()) {
    const target = join(types, relative(join(dist, "src"), path));
    mkdirSync(dirname(target), { recursive: true });
    // Older targets do not know what `await using` is about.
    const head = entries.includes(path) ? '/// <reference lib="esnext.disposable" />\n' : "";
    writeFileSync(target, head + text);
  }
  writeFileSync(join(types, "package.json"), '{ "type": "commonjs" }\n');
}

/** A statement begins at the start of a line; the last comment before it belongs to it. */
const STATEMENT = /^(?=(?:export|import|declare|type|interface|abstract)\b)/m;
const LAST_COMMENT = /^\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$(?![\s\S])/m;
const COMMENTS = /\/\*[\s\S]*?\*\/|"[^"\n]*"/g;
const DECLARATION =
  /^(export )?(?:declare )?(?:abstract )?(?:class|interface|type|const|let|function) ([\w$]+)/;
const LIST = /^(import|export)( type)? \{([^}]*)\}(?: from "([^"]+)")?;/;
const STAR = /^(import|export)(?: type)? \*(?: as (\w+))? from "([^"]+)";/;
const INLINE = /\bimport\("(\.[^"]+)"\)\.(\w+)/g;
/** What stands behind these two words is used as a value. */
const NAME = /(?:\b(extends|typeof) )?\b([A-Za-z_$][\w$]*)(?:\.([A-Za-z_$][\w$]*))?/g;

/** A constructor or static member of a class, with its comment. */
const OF_THE_CLASS =
  /^(?: {4}\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)? {4}(?:constructor\(|static )(?:.*;\n|[\s\S]*?^ {4}\S.*;\n)/gm;

/** What the declaration files say, and which of it is needed. */
class Declarations {
  #root;
  #files = new Map();

  constructor(root) {
    this.#root = root;
  }

  /** All that a file exports is needed. */
  reachAll(path) {
    const file = this.#file(path);
    for (const [name, { isType }] of file.exported) this.#reach(path, name, !isType);
    for (const star of file.stars.keys()) {
      file.usedStars.add(star);
      this.reachAll(star);
    }
  }

  /** Whether the file exports the name, which is needed; of a class only its type unless `isValue`. */
  #reach(path, name, isValue) {
    const file = this.#file(path);
    const found = file.exported.get(name);
    if (found === undefined) {
      const star = [...file.stars.keys()].find((target) => this.#reach(target, name, isValue));
      if (star !== undefined) file.usedStars.add(star);
      return star !== undefined;
    }
    if (isNew(file.usedExports, name, isValue)) {
      if (found.path !== undefined) this.#reachFrom(path, found, isValue);
      else this.#reachLocal(path, found.local, isValue);
    }
    return true;
  }

  #reachFrom(path, { path: target, local }, isValue) {
    if (this.#reach(target, local, isValue)) return;
    throw new Error(`${relative(this.#root, path)} asks for ${local}`);
  }

  #reachLocal(path, name, isValue, member) {
    const file = this.#file(path);
    const given = file.imported.get(name);
    if (given !== undefined) {
      file.usedLocals.set(name, isValue);
      if (given.path === undefined) return;
      const local = given.local === "*" ? member : given.local;
      if (local === undefined) this.reachAll(given.path);
      else this.#reachFrom(path, { path: given.path, local }, isValue);
      return;
    }
    if (!file.declared.has(name) || !isNew(file.usedLocals, name, isValue)) return;
    for (const text of file.declared.get(name)) {
      for (const [, target, local] of text.matchAll(INLINE)) {
        this.#reachFrom(path, { path: declarationsOf(path, target), local }, false);
      }
      const code = asNeeded(text, isValue).replaceAll(COMMENTS, '""');
      for (const [, before, word, next] of code.matchAll(NAME)) {
        this.#reachLocal(path, word, before !== undefined, next);
      }
    }
  }

  #file(path) {
    if (!this.#files.has(path)) {
      const text = withoutNodeTypes(relative(this.#root, path), readFileSync(path, "utf8"));
      this.#files.set(path, parsed(path, text));
    }
    return this.#files.get(path);
  }

  /** [path, text] of each file of which something is needed. */
  *texts() {
    for (const [path, file] of this.#files) {
      const text = file.statements.map((statement) => neededText(statement, file)).join("");
      if (text !== "") yield [path, published(text)];
    }
  }
}

/** Whether `used` does not say yet that the name is needed in this way. */
function isNew(used, name, isValue) {
  if (used.get(name) === true || used.get(name) === isValue) return false;
  used.set(name, isValue);
  return true;
}

/** Who has only the type of a class cannot call its constructor. */
function asNeeded(text, isValue) {
  return isValue ? text : text.replaceAll(OF_THE_CLASS, "");
}

/** Relative names end in .ts, as in the sources; a package's declarations name .js. */
function published(text) {
  return text
    .replaceAll(/(from |import\()"(\.[^"]*)\.ts"/g, '$1"$2.js"')
    .replaceAll(/^(?: {4})+/gm, (spaces) => spaces.slice(spaces.length / 2));
}

function declarationsOf(path, name) {
  return resolve(dirname(path), name.replace(/\.ts$/, ".d.ts"));
}

function parsed(path, text) {
  const file = {
    statements: [],
    /** Texts of declarations by name. */
    declared: new Map(),
    /** By their names here, { path, local } of what is imported; no path: from outside. */
    imported: new Map(),
    /** By their names outside, { local } or { path, local } of what is exported. */
    exported: new Map(),
    stars: new Map(),
    /** Whether a name is needed as a value, too. */
    usedLocals: new Map(),
    usedExports: new Map(),
    usedStars: new Set(),
  };
  const pathOf = (name) => (name?.startsWith(".") ? declarationsOf(path, name) : undefined);
  let comment = "";
  for (const piece of text.split(STATEMENT)) {
    const next = LAST_COMMENT.exec(piece)?.[0] ?? "";
    const code = piece.slice(0, piece.length - next.length);
    const part = comment + code;
    comment = next;
    const [, exports, name] = DECLARATION.exec(code) ?? [];
    const [, word, type, list, from] = LIST.exec(code) ?? [];
    const [, starWord, alias, target] = STAR.exec(code) ?? [];
    if (name !== undefined) {
      file.declared.set(name, [...(file.declared.get(name) ?? []), code]);
      if (exports) file.exported.set(name, { local: name });
      file.statements.push({ kind: "declaration", name, text: part });
    } else if (word !== undefined) {
      const names = listedNames(list);
      const suffix = from === undefined ? ";" : ` from "${from}";`;
      file.statements.push({ kind: word, head: `${word}${type ?? ""}`, names, suffix });
      for (const { ours, theirs, text } of names) {
        const isType = type !== undefined || text.startsWith("type ");
        if (word === "import") file.imported.set(theirs, { path: pathOf(from), local: ours });
        else file.exported.set(theirs, { path: pathOf(from), local: ours, isType });
      }
    } else if (starWord === "import") {
      file.imported.set(alias, { path: pathOf(target), local: "*" });
      file.statements.push({ kind: "declaration", name: alias, text: part });
    } else if (starWord === "export" && alias === undefined) {
      file.stars.set(pathOf(target), part);
      file.statements.push({ kind: "star", path: pathOf(target), text: part });
    } else if (code.replaceAll(COMMENTS, "").trim() !== "") {
      throw new Error(`${path} has a statement of another form: ${code.slice(0, 80)}`);
    }
  }
  return file;
}

/** Names of a list of imports or exports: `text` as it stands there. */
function listedNames(list) {
  const names = list.split(",").map((text) => text.trim());
  return names
    .filter((text) => text !== "")
    .map((text) => {
      const [ours, theirs = ours] = text.replace(/^type /, "").split(" as ");
      return { ours, theirs, text };
    });
}

function neededText(statement, file) {
  const { kind } = statement;
  if (kind === "declaration") {
    const isValue = file.usedLocals.get(statement.name);
    return isValue === undefined ? "" : asNeeded(statement.text, isValue);
  }
  if (kind === "star") return file.usedStars.has(statement.path) ? statement.text : "";
  const used = kind === "import" ? file.usedLocals : file.usedExports;
  const names = statement.names.filter(({ theirs }) => used.has(theirs));
  if (names.length === 0) return "";
  return `${statement.head} { ${names.map(({ text }) => text).join(", ")} }${statement.suffix}\n`;
}

/**
 * What `transport` and `api` say of Node.js, in declarations that no user of a library calls, must
 * not make a program that uses the client need the types of Node.js.
 */
function withoutNodeTypes(path, text) {
  if (!/^(transport|api)[\\/]/.test(path)) return text;
  const named = /^import type \{ (\w+) \} from "node:\w+";$/gm;
  return text.replaceAll(named, "type $1 = unknown;").replaceAll(/\bBuffer\b/g, "Uint8Array");
}
