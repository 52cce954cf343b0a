/**
 * Starts a program of dist/lib with the code that V8 compiled for it in an earlier run, for the
 * files of the programs that tools/bundle.mjs writes beside that folder.
 *
 * Kept code must never meet another program: V8 itself compares only its own version, its flags and
 * the length of the source, so the file's name holds a digest of all sources. The first run of each
 * command writes what it has compiled, at its end; the first one that stays (a server is mostly
 * ended by a signal) writes more, after a while, a script in each turn of the loop: it serves
 * others meanwhile. A run that loads a script whose code is not there adds it. Whatever goes wrong
 * with these files, the program runs.
 *
 * A file is a line of JSON, [script, bytes] of each, and behind it their code, each begun at a
 * multiple of eight bytes: V8 copies other code first.
 */
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

/** Each file takes about half a megabyte; odd arguments and other Nodes must not fill a disk. */
const MAX_FILES = 48;
/** By then a server has started, and has compiled what a start needs; on a slow machine later. */
const KEEP_AFTER_MS = [2000, 20000];

const lib = __dirname;
const cacheDirectory = path.join(path.dirname(lib), ".code-cache");

// The scripts are ASCII. In this form V8 recognizes a function, whose `module` is its own.
const HEAD = Buffer.from("(function (exports, require, module, __filename, __dirname) {");
const TAIL = Buffer.from("\n})");

/** Scripts of this run, and the modules that they made, by the name of the file. */
const scripts = new Map();
const modules = new Map();
/** Code of earlier runs by the name of the script. */
let kept = new Map();
/** Whether V8 had to compile a script, and whether it had to since one that stays kept the code. */
let isNew = false;
let isDue = false;
/** The last `keepInTurns`: on a slow disk the next one comes before it is done, and has to wait. */
let keeping = Promise.resolve();

/** Runs the program; `digest` is that of all sources. */
function start(program, digest) {
  const endedFile = path.join(cacheDirectory, cacheName(program, digest));
  const stayedFile = `${endedFile}-stays`;
  const stayed = readKept(stayedFile);
  kept = stayed ?? readKept(endedFile) ?? kept;
  process.once("exit", () => isNew && keep(endedFile));
  isDue = stayed === undefined;
  for (const ms of KEEP_AFTER_MS) {
    setTimeout(() => {
      if (isDue) keeping = keeping.then(() => keepInTurns(stayedFile));
      isDue = false;
      // The start is over; what is loaded later is little.
      if (ms === KEEP_AFTER_MS.at(-1)) kept.clear();
    }, ms).unref();
  }
  load(`./${program}-program.cjs`);
}

/** What scripts have as `require`. */
function load(request) {
  if (!request.startsWith("./")) return require(request);
  const name = request.slice(2);
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const filename = path.join(lib, name);
  const source = Buffer.concat([HEAD, fs.readFileSync(filename), TAIL]).latin1Slice();
  const cachedData = kept.get(name);
  const script = new vm.Script(source, { filename, cachedData, columnOffset: -HEAD.length });
  if (cachedData === undefined || script.cachedDataRejected === true) {
    isNew = true;
    isDue = true;
  }
  const made = { exports: {} };
  scripts.set(name, script);
  modules.set(name, made);
  script.runInThisContext()(made.exports, load, made, filename, lib);
  return made.exports;
}

/** A run compiles what its command needs, so each command has a file of its own. */
function cacheName(program, digest) {
  // The server's commands stand first, and its flags have words as values.
  const args = program === "etcd" ? process.argv.slice(2, 3) : process.argv.slice(2);
  const word = args.find((arg) => /^[a-z][a-z-]{1,19}$/.test(arg)) ?? "";
  const api = process.env.ETCDCTL_API === "2" ? "-v2" : "";
  const { v8 } = process.versions;
  return `${program}-${digest}-${v8}-${process.arch}-${flagsText()}${api}-${word}`;
}

/** V8 refuses code that was compiled under other flags. */
function flagsText() {
  let sum = 0;
  for (const character of [...process.execArgv, process.env.NODE_OPTIONS].join(" ")) {
    sum = (Math.imul(sum, 31) + character.charCodeAt(0)) >>> 0;
  }
  return sum.toString(36);
}

/** Code by the name of the script; undefined if there is none, or not in this form. */
function readKept(file) {
  try {
    const content = fs.readFileSync(file);
    let end = content.indexOf("\n") + 1;
    const entries = JSON.parse(content.latin1Slice(0, end));
    return new Map(
      entries.map(([name, bytes]) => {
        const begin = aligned(end);
        end = begin + bytes;
        return [name, content.subarray(begin, end)];
      }),
    );
  } catch {
    return undefined;
  }
}

function aligned(offset) {
  return Math.ceil(offset / 8) * 8;
}

/** Piece by piece: what other runs of this command have loaded, which stays, and then this run's. */
function* codeToKeep(file) {
  makeRoom();
  yield [...(readKept(file) ?? [])];
  for (const [name, script] of [...scripts]) yield [[name, script.createCachedData()]];
}

/**
 * A file under its final name is whole and on disk: V8 does not check what is inside. Silent: in an
 * installation that this user cannot write to, every run compiles.
 */
function keep(file) {
  const partial = `${file}.${process.pid}`;
  try {
    const code = new Map([...codeToKeep(file)].flat());
    const descriptor = fs.openSync(partial, "wx", 0o600);
    try {
      fs.writeSync(descriptor, packed(code));
      fs.fsyncSync(descriptor);
      fs.renameSync(partial, file);
    } catch {
      fs.rmSync(partial, { force: true });
    } finally {
      fs.closeSync(descriptor);
    }
  } catch {}
}

/** As `keep`, for a program that is at work. Never rejects. */
async function keepInTurns(file) {
  const partial = `${file}.${process.pid}`;
  try {
    const code = new Map();
    for (const some of codeToKeep(file)) {
      for (const [name, data] of some) code.set(name, data);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const handle = await fs.promises.open(partial, "wx", 0o600);
    try {
      await handle.writeFile(packed(code));
      await handle.sync();
      await fs.promises.rename(partial, file);
    } catch {
      await fs.promises.rm(partial, { force: true });
    } finally {
      await handle.close();
    }
  } catch {}
}

function packed(code) {
  const entries = [...code].map(([name, data]) => [name, data.length]);
  const parts = [Buffer.from(`${JSON.stringify(entries)}\n`)];
  let end = parts[0].length;
  for (const data of code.values()) {
    const begin = aligned(end);
    parts.push(Buffer.alloc(begin - end), data);
    end = begin + data.length;
  }
  return Buffer.concat(parts);
}

function makeRoom() {
  fs.mkdirSync(cacheDirectory, { recursive: true, mode: 0o700 });
  const names = fs.readdirSync(cacheDirectory);
  if (names.length < MAX_FILES) return;
  for (const name of names) fs.rmSync(path.join(cacheDirectory, name), { force: true });
}

module.exports = { start };
