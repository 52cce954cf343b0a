/**
 * `npm run transcripts -- [--rewrite] DIR...`: replays every .txt file under the folders against
 * the raft core and closes with `N passed, M failed`. Exit code 1 when a file failed or none was
 * found. `--rewrite` replaces the expected outputs by what comes out now; review the diff.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import {
  checkTranscript,
  formatMismatch,
  parseTranscript,
  rewriteTranscript,
} from "../src/raft/testing/datadriven.ts";
import { interpreterFor } from "../src/raft/testing/transcript-kinds.ts";

const USAGE = "usage: npm run transcripts -- [--rewrite] DIR...";

function main(args: readonly string[]): number {
  const rewrite = args.includes("--rewrite");
  const folders = args.filter((arg) => arg !== "--rewrite");
  if (folders.length === 0 || folders.some((folder) => folder.startsWith("-"))) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  let passed = 0;
  let failed = 0;
  for (const folder of folders) {
    for (const path of transcriptsUnder(folder)) {
      const problem = rewrite ? rewriteFile(path) : checkFile(path);
      if (problem === undefined) {
        passed++;
      } else {
        failed++;
        process.stdout.write(`${relative(folder, path) || path}\n${problem}\n`);
      }
    }
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

function transcriptsUnder(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".txt"))
    .sort()
    .map((name) => join(path, name));
}

/** What went wrong first, or undefined. */
function checkFile(path: string): string | undefined {
  try {
    const commands = parseTranscript(readFileSync(path, "utf8"));
    const mismatch = checkTranscript(commands, interpreterFor(commands));
    return mismatch === undefined ? undefined : formatMismatch(mismatch);
  } catch (error) {
    return `  ${describe(error)}`;
  }
}

function rewriteFile(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    writeFileSync(path, rewriteTranscript(text, interpreterFor(parseTranscript(text))));
    return undefined;
  } catch (error) {
    return `  ${describe(error)}`;
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
