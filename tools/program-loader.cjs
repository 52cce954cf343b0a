/**
 * Starts a program of the bundle with the code that V8 compiled for it in an earlier run;
 * tools/build.mjs copies this file in front of each program and fills in what stands in capitals.
 *
 * Kept code must never meet another program: V8 itself compares only its own version, its flags and
 * the length of the source, so the file's name holds a digest of the source. The first run of each
 * command writes what it has compiled, at its end; the first one that stays (a server is mostly
 * ended by a signal) writes more, after a while. Whatever goes wrong with these files, the program
 * runs.
 */
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const PROGRAM = "{PROGRAM}";
const BUNDLE = "{BUNDLE}";
const SOURCE_DIGEST = "{SOURCE_DIGEST}";
/** Each file takes about half a megabyte; odd arguments and other Nodes must not fill a disk. */
const MAX_FILES = 48;
/** By then a server has started, and has compiled what a start needs; on a slow machine later. */
const KEEP_AFTER_MS = [2000, 20000];

const programFile = path.join(__dirname, `${BUNDLE}.cjs`);
const cacheDirectory = path.join(__dirname, ".code-cache");
const endedFile = path.join(cacheDirectory, cacheName());
const stayedFile = `${endedFile}-stays`;

// The bundle is ASCII. In this form V8 recognizes it, and the bundle's `module` is its own.
const head = "(function (exports, require, module, __filename, __dirname) {";
const source = `${head}${fs.readFileSync(programFile, "latin1")}\n})`;
const stayed = readKept(stayedFile);
const cachedData = stayed ?? readKept(endedFile);
const script = new vm.Script(source, { filename: programFile, cachedData });
const isRejected = script.cachedDataRejected === true;
if (cachedData === undefined || isRejected) process.once("exit", () => keep(endedFile));
if (stayed === undefined || isRejected) {
  for (const ms of KEEP_AFTER_MS) setTimeout(keep, ms, stayedFile).unref();
}
const bundle = { exports: {} };
script.runInThisContext()(bundle.exports, require, bundle, programFile, __dirname);
bundle.exports.programs[PROGRAM]();

/** A run compiles what its command needs, so each command has a file of its own. */
function cacheName() {
  // The server's commands stand first, and its flags have words as values.
  const args = PROGRAM === "etcd" ? process.argv.slice(2, 3) : process.argv.slice(2);
  const word = args.find((arg) => /^[a-z][a-z-]{1,19}$/.test(arg)) ?? "";
  const api = process.env.ETCDCTL_API === "2" ? "-v2" : "";
  const { v8 } = process.versions;
  return `${PROGRAM}-${SOURCE_DIGEST}-${v8}-${process.arch}${api}-${word}`;
}

function readKept(file) {
  try {
    return fs.readFileSync(file);
  } catch {
    return undefined;
  }
}

/** Silent: in an installation that this user cannot write to, every run compiles. */
function keep(file) {
  const partial = `${file}.${process.pid}`;
  try {
    makeRoom();
    // A file under its final name is whole and on disk: V8 does not check what is inside.
    const descriptor = fs.openSync(partial, "wx", 0o600);
    try {
      fs.writeSync(descriptor, script.createCachedData());
      fs.fsyncSync(descriptor);
      fs.renameSync(partial, file);
    } catch {
      fs.rmSync(partial, { force: true });
    } finally {
      fs.closeSync(descriptor);
    }
  } catch {}
}

function makeRoom() {
  fs.mkdirSync(cacheDirectory, { recursive: true, mode: 0o700 });
  const names = fs.readdirSync(cacheDirectory);
  if (names.length < MAX_FILES) return;
  for (const name of names) fs.rmSync(path.join(cacheDirectory, name), { force: true });
}
