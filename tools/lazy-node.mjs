// Modules of Node.js that most runs of a program do without, and that take time and memory to load:
// in the bundles each is loaded when a function of it is first called, or a class of it is used.
// Plain JavaScript, because tools/build.mjs runs it before anything is compiled.

const LAZY = new Set([
  "node:dns/promises",
  "node:fs/promises",
  "node:https",
  "node:inspector",
  "node:stream/promises",
  "node:tls",
  "node:v8",
  "node:worker_threads",
  "node:zlib",
]);
/** A thread has what it begins with. */
const EAGER_IMPORTERS = /-worker\.js$/;

export const lazyNode = {
  name: "lazy-node",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path, kind, importer }) => {
      const isLazy =
        kind === "import-statement" && LAZY.has(path) && !EAGER_IMPORTERS.test(importer);
      return isLazy ? { path, namespace: "lazy-node", sideEffects: false } : undefined;
    });
    onLoad({ filter: /.*/, namespace: "lazy-node" }, ({ path }) => ({
      contents: lazyModule(path),
    }));
  },
};

/** Without what is no function: an import of that fails the build. */
function lazyModule(path) {
  const names = Object.entries(process.getBuiltinModule(path))
    .filter(([name, value]) => typeof value === "function" && /^\w+$/.test(name))
    .map(([name]) => name);
  const parts = names.map((name) => (/^[A-Z]/.test(name) ? lazyClass(name) : lazyFunction(name)));
  return `let loaded;
function load() { return loaded ??= process.getBuiltinModule("${path}"); }
${parts.join("")}`;
}

function lazyFunction(name) {
  return `export function ${name}(...args) { return load().${name}(...args); }\n`;
}

/** To make objects of and to ask for them, not to extend. */
function lazyClass(name) {
  return `export const ${name} = /* @__PURE__ */ (() => {
  function ${name}(...args) { return new (load().${name})(...args); }
  Object.defineProperty(${name}, Symbol.hasInstance, {
    value: (value) => loaded !== undefined && value instanceof loaded.${name},
  });
  return ${name};
})();\n`;
}
