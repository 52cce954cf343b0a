/**
 * Entry of the server program. Checks the runtime before anything is loaded that an older one
 * could not even read, then hands over to `etcd-main.ts`.
 */
import "./ignored-signals.ts";
import { systemErrorCode, systemErrorText } from "../base/system-errors.ts";
import { countExternalMemory } from "./external-memory.ts";
import { runtimeProblem } from "./runtime.ts";

// Without `await` at the top: the program is bundled as a script.
const problem = runtimeProblem(process.versions.node);
if (problem === undefined) {
  countExternalMemory(process.versions.v8);
  import("./etcd-main.ts").then(({ main }) => main(process.argv)).catch(tellUnloadable);
} else {
  process.stderr.write(`etcd: ${problem}\n`);
  process.exitCode = 1;
}

/** With a handful of file descriptors, Node cannot even load the program. */
function tellUnloadable(error: unknown): void {
  if (systemErrorCode(error) === "") throw error;
  process.stderr.write(`etcd: ${systemErrorText(error)}\n`);
  process.exitCode = 1;
}
