// Bundles what tsc has compiled: programs and libraries in one folder, dist/lib. What two of them
// share is there once, so that an error of the client is of the same class whichever of them threw
// it, and a server that a program embeds is the one of the program `etcd`. Plain JavaScript, because
// tools/build.mjs runs it before anything is compiled.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { lazyNode } from "./lazy-node.mjs";

/** Scripts that `tools/program-loader.cjs` starts; their entries lie in src/bin. */
const PROGRAMS = ["etcd", "etcd-discovery", "etcdctl", "etcdutl", "etcd-cluster"];
/** Entries of threads in src, which are started where the compiled file would lie below dist/lib. */
const WORKERS = ["platform/bcrypt-worker", "embed/older-segments-worker"];
/**
 * Short enough for a terminal: where an error ends a program, Node.js prints the whole line in which
 * it was thrown. Names stay as they are, for stacks and profiles.
 */
const LINE_CHARS = 100;
const BUNDLE_URL = 'const bundleUrl=require("node:url").pathToFileURL(__filename).href;';

/** What building and transforming have in common. */
const common = {
  platform: "node",
  target: "node20.19",
  charset: "ascii",
};
/** Fills `dist`/lib with bundles of the entries of `libraries` and of the programs. */
export async function bundle({ build, transform }, root, libraries) {
  const dist = join(root, "dist");
  const lib = join(dist, "lib");
  const { outputFiles, metafile } = await build({
    ...common,
    absWorkingDir: root,
    write: false,
    bundle: true,
    packages: "external",
    minifySyntax: true,
    logLevel: "warning",
    metafile: true,
    plugins: [lazyNode, ownUrls(dist), shortLocals(transform)],
    entryPoints: [
      ...libraries.map((name) => ({ in: `dist/src/${name}/index.js`, out: name })),
      ...PROGRAMS.map((name) => ({ in: `dist/src/bin/${name}.js`, out: `${name}-program` })),
      ...WORKERS.map((name) => ({ in: `dist/src/${name}.js`, out: basename(name) })),
    ],
    inject: ["tools/turn-functions.mjs"],
    outdir: lib,
    outExtension: { ".js": ".cjs" },
    splitting: true,
    chunkNames: "[name]-[hash]",
    sourcemap: "inline",
    format: "esm",
  });
  const scripts = await Promise.all(
    outputFiles.map((file) => toScript(transform, file, relative(root, file.path), metafile)),
  );
  const digest = createHash("sha256");
  const places = new Places(root);
  for (const script of scripts) {
    const code = places.add(script);
    writeFileSync(script.path, code);
    digest.update(code);
  }
  writeFileSync(join(lib, "places"), places.text(), "latin1");
  writeLoaders(root, dist, digest.digest("hex").slice(0, 16));
  for (const name of WORKERS) writeWorker(lib, name);
}

/**
 * A bundled file still finds what lies beside it: `import.meta.url` is that of a file at the same
 * place below dist/lib.
 */
function ownUrls(dist) {
  return {
    name: "own-urls",
    setup({ onLoad }) {
      onLoad({ filter: /\.js$/ }, ({ path }) => {
        const source = readFileSync(path, "utf8");
        if (!source.includes("import.meta.url")) return undefined;
        const place = JSON.stringify(relative(dist, path).split(sep).join("/"));
        return {
          contents: source.replaceAll("import.meta.url", `new URL(${place}, bundleUrl).href`),
        };
      });
    },
  };
}

/** Where nobody reads locals in profiles of what is fast or slow; functions keep their names. */
const SHORT_LOCALS =
  /[\\/]src[\\/](?:api[\\/]gen|checkers|cli|discovery|insight|proxy|v2|v2store)[\\/].*\.js$/;

function shortLocals(transform) {
  return {
    name: "short-locals",
    setup({ onLoad }) {
      onLoad({ filter: SHORT_LOCALS }, async ({ path }) => {
        const map = readFileSync(`${path}.map`).toString("base64");
        const source = readFileSync(path, "utf8").replace(
          /^\/\/# sourceMappingURL=.*/m,
          `//# sourceMappingURL=data:application/json;base64,${map}`,
        );
        const options = { minifyIdentifiers: true, sourcemap: "inline", sourcefile: path };
        return { contents: (await transform(source, options)).code };
      });
    },
  };
}

/** A bundle as CommonJS, which `import` and `require` both take: the classes are the same for both. */
async function toScript(transform, { path, text }, name, { outputs }) {
  const { body, head, tail } = linked(text, outputs[name], (target) => {
    return Object.keys(outputs[target].inputs).some((file) => file.startsWith("dist/src/bin/"));
  });
  const { code, map } = await transform(body, {
    ...common,
    minifyWhitespace: true,
    sourcemap: "external",
    sourcefile: path,
  });
  const before = head + (text.includes("bundleUrl") ? BUNDLE_URL : "");
  return { path, head: before, code, tail, map: JSON.parse(map) };
}

const IMPORT = /^import (?:(\{[^}]*\}|\* as \w+) from )?"([^"]+)";/gm;
const EXPORT = /^export \{([^}]*)\};/gm;
const LATE_IMPORT = /\bimport\(("[^"]+")\)/g;

/**
 * The module without its imports and exports, which are `require` before and `module.exports` behind
 * it. What is imported becomes a variable: esbuild would make each use of it a call of a getter, and
 * code that runs for each request is spread over bundles. So an export must have its value once its
 * module has run; bundles of `build` do not import each other in circles. A bundle of which nothing
 * is used is loaded only if `hasEffects`. What is loaded late comes by `require` too.
 */
function linked(text, { imports, exports }, hasEffects) {
  const required = [];
  let found = 0;
  const inside = text.replaceAll(IMPORT, (statement, names, name) => {
    found++;
    const isOurs = name.startsWith("./");
    const target = `require(${JSON.stringify(name)});`;
    const pattern = names
      ?.replace(/^\* as /, "")
      .replaceAll(" as ", ":")
      .replaceAll(/\s+/g, "");
    if (pattern) required.push(`var ${pattern}=${target}\n`);
    else if (!isOurs || hasEffects(`dist/lib/${name.slice(2)}`)) required.push(`${target}\n`);
    return "\n".repeat(statement.split("\n").length - 1);
  });
  const pairs = [];
  const body = inside.replaceAll(EXPORT, (_, names) => {
    for (const name of names.split(",")) {
      const [ours, theirs] = name.trim().split(" as ");
      pairs.push(theirs === undefined ? ours : `${theirs}:${ours}`);
    }
    return "";
  });
  let late = 0;
  const script = body.replaceAll(LATE_IMPORT, (_, name) => {
    late++;
    return `Promise.resolve().then(() => require(${name}))`;
  });
  const expected = (kind) => imports.filter((each) => each.kind === kind).length;
  if (
    found !== expected("import-statement") ||
    late < expected("dynamic-import") ||
    pairs.length !== exports.length
  ) {
    throw new Error(`esbuild's form: ${found} imports, ${late} late, ${pairs.length} exports`);
  }
  const tail = pairs.length > 0 ? `module.exports={${pairs.join(",\n")}};\n` : "";
  return { body: script, head: required.join(""), tail };
}

function writeLoaders(root, dist, digest) {
  copyFileSync(join(root, "tools", "program-loader.cjs"), join(dist, "lib", "program-loader.cjs"));
  for (const program of PROGRAMS) {
    const start = `require("./lib/program-loader.cjs").start("${program}", "${digest}");\n`;
    writeFileSync(join(dist, `${program}.cjs`), start);
  }
}

function writeWorker(lib, name) {
  const file = join(lib, "src", `${name}.js`);
  mkdirSync(dirname(file), { recursive: true });
  const script = relative(dirname(file), join(lib, `${basename(name)}.cjs`));
  writeFileSync(file, `import "${script.split(sep).join("/")}";\n`);
}

/** Behind one of these a line may end, whatever follows. */
const LINE_ENDS = ";{,";

/** Bytes of a table of places; the rest are near marks. */
const END_OF_LINE = 0;
const OTHER_SOURCE = 1;
const FAR_MARK = 2;
const FIRST_NEAR_MARK = 3;
const NEAR_COLUMNS = 63;
const BLOCK_LINES = 32;
/** By how many lines the source mostly grows from mark to mark. */
const NEAR_LINES = [1, 2, 0, 3];

/**
 * Which line of which source the code comes from, in the form that src/platform/bundle-places.ts
 * reads: a line of JSON with the names of the sources and, by the name of a script, where the blocks
 * of its table begin behind that line, and where the last one ends. A block is for BLOCK_LINES lines,
 * and can be read alone. It says where lines of the script end, and has marks: how much the column
 * grows since the last mark in the line, and the line of the source since the last one at all. A near mark is one byte; behind the byte of a far one stand both as numbers of seven
 * bits a byte, the lowest first, the second with its sign in the lowest bit. Behind OTHER_SOURCE
 * stands how much the number of the source grows, as such a number with a sign.
 */
class Places {
  #root;
  #sources = new Map();
  #tables = {};
  #text = "";

  constructor(root) {
    this.#root = root;
  }

  /** Returns the script, its code cut to lines. */
  add({ path, head, code, tail, map }) {
    const names = map.sources.map((source) => {
      return relative(this.#root, join(dirname(path), source))
        .split(sep)
        .join("/");
    });
    const begin = this.#text.length;
    const lines = new TextWithTable(head);
    const rows = map.mappings.split(";");
    for (const [i, text] of code.split("\n").entries()) {
      if (i > 0) lines.endLine();
      let end = 0;
      for (const [column, source, line] of segmentsOf(rows[i] ?? "", map)) {
        lines.append(text.slice(end, column));
        end = column;
        lines.mark(this.#numberOf(names[source]), line);
      }
      lines.append(text.slice(end));
    }
    this.#text += lines.table;
    const ends = [...lines.blocks, lines.table.length];
    this.#tables[basename(path)] = ends.map((offset) => begin + offset);
    return lines.text + tail;
  }

  #numberOf(name) {
    if (!this.#sources.has(name)) this.#sources.set(name, this.#sources.size);
    return this.#sources.get(name);
  }

  text() {
    const index = { sources: [...this.#sources.keys()], tables: this.#tables };
    return `${JSON.stringify(index)}\n${this.#text}`;
  }
}

class TextWithTable {
  text = "";
  table = "";
  /** Where blocks of the table begin. */
  blocks = [0];
  #lines = 0;
  #column = 0;
  #marked = { column: 0, source: 0, line: 0 };
  #isNew = true;

  constructor(head) {
    for (const [i, text] of head.split("\n").entries()) {
      if (i > 0) this.endLine();
      this.append(text);
    }
  }

  append(code) {
    this.text += code;
    this.#column += code.length;
  }

  endLine() {
    this.text += "\n";
    this.table += byte(END_OF_LINE);
    this.#column = 0;
    this.#marked.column = 0;
    this.#isNew = true;
    this.#lines++;
    if (this.#lines % BLOCK_LINES !== 0) return;
    this.blocks.push(this.table.length);
    this.#marked = { column: 0, source: 0, line: 0 };
  }

  /** The next code comes from there. */
  mark(source, line) {
    if (this.#column >= LINE_CHARS && LINE_ENDS.includes(this.text.at(-1))) this.endLine();
    const marked = this.#marked;
    if (!this.#isNew && marked.source === source && marked.line === line) return;
    if (source !== marked.source) {
      this.table += byte(OTHER_SOURCE) + signedBytes(source - marked.source);
    }
    this.table += markBytes(this.#column - marked.column, line - marked.line);
    this.#marked = { column: this.#column, source, line };
    this.#isNew = false;
  }
}

/** [column, source, line] of a row of a source map; `state` holds the last ones between rows. */
function* segmentsOf(row, state) {
  let column = 0;
  for (const segment of row === "" ? [] : row.split(",")) {
    const [columns, sources, lines] = signedNumbers(segment);
    column += columns;
    if (sources === undefined) continue;
    state.source = (state.source ?? 0) + sources;
    state.line = (state.line ?? 0) + lines;
    yield [column, state.source, state.line];
  }
}

const byte = String.fromCharCode;

function markBytes(columns, lines) {
  const near = NEAR_LINES.indexOf(lines);
  if (near < 0 || columns >= NEAR_COLUMNS) {
    return byte(FAR_MARK) + unsignedBytes(columns) + signedBytes(lines);
  }
  return byte(FIRST_NEAR_MARK + near * NEAR_COLUMNS + columns);
}

function unsignedBytes(number) {
  return number < 0x80 ? byte(number) : byte((number & 0x7f) | 0x80) + unsignedBytes(number >>> 7);
}

function signedBytes(number) {
  return unsignedBytes(number < 0 ? (-number << 1) | 1 : number << 1);
}

/** Of a source map. */
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function signedNumbers(text) {
  const numbers = [];
  let [value, shift] = [0, 0];
  for (const digit of text) {
    const bits = DIGITS.indexOf(digit);
    value |= (bits & 31) << shift;
    shift += 5;
    if ((bits & 32) !== 0) continue;
    numbers.push(value & 1 ? -(value >>> 1) : value >>> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}
