/**
 * Signals that etcd ignores and that would otherwise end this process or, for SIGUSR1, open Node's
 * debugger to every user of the machine. Imported for its effect, first of all, by each program.
 *
 * Node sets every signal below 32 back to its default at start, whatever it inherits, so nothing
 * but a listener holds for these; a listener also takes the place of Node's own for SIGUSR1.
 * Before this line runs, `bin/launch.sh` keeps the debugger shut and ignores the signals above 34.
 */
import { constants } from "node:os";

/** As Go's runtime treats them: noted by nobody, without effect. Node ignores the others itself. */
const IGNORED = [
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGXCPU",
  "SIGIO",
  "SIGPWR",
] as const satisfies readonly NodeJS.Signals[];

const nodeOptions = `${process.execArgv.join(" ")} ${process.env["NODE_OPTIONS"] ?? ""}`;
/** V8's profiler counts by SIGPROF; a profile that was asked for must not stay empty. */
const isProfiled = /--(cpu-)?prof\b/.test(nodeOptions);

// Started without the script: a SIGUSR1 while Node was loading has opened the debugger, or its
// request is still on its way through the event loop.
if (!/--(inspect|disable-sigusr1)/.test(nodeOptions)) {
  const { close } = process.getBuiltinModule("node:inspector");
  close();
  setImmediate(close);
}
for (const signal of IGNORED) {
  if (constants.signals[signal] === undefined) continue;
  if (signal === "SIGPROF" && isProfiled) continue;
  process.on(signal, () => undefined);
}
