/**
 * Entry of the server program. Checks the runtime before anything is loaded that an older one
 * could not even read, then hands over to `etcd-main.ts`.
 */
import "./ignored-signals.ts";
import { systemErrorCode, systemErrorText } from "../base/system-errors.ts";
import { runtimeProblem } from "./runtime.ts";

const problem = runtimeProblem(process.versions.node);
if (problem === undefined) {
  try {
    const { main } = await import("./etcd-main.ts");
    await main(process.argv);
  } catch (error) {
    // With a handful of file descriptors, Node cannot even load the program.
    if (systemErrorCode(error) === "") throw error;
    process.stderr.write(`etcd: ${systemErrorText(error)}\n`);
    process.exitCode = 1;
  }
} else {
  process.stderr.write(`etcd: ${problem}\n`);
  process.exitCode = 1;
}
