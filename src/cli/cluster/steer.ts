/** The commands for another terminal: what runs, and starting and stopping single processes. */
import { errorMessage } from "../../base/error-message.ts";
import { EtcdClient } from "../../client/index.ts";
import type { StatusResponse } from "../../api/gen/rpc.ts";
import { humanizeBytes } from "../../base/go-text.ts";
import type { Invocation } from "../framework/command.ts";
import { CliExit, ExitCode, exitWithError } from "../framework/exit.ts";
import { formatTable } from "../framework/table.ts";
import { ask, NoLauncherError } from "./control-client.ts";
import {
  type ControlCommand,
  type ControlReply,
  type ControlRequest,
  loadModeOf,
} from "./control-protocol.ts";
import type { LauncherDeps } from "./launcher-deps.ts";
import { isRunning, stateText } from "./process-text.ts";
import { instancePath, readProcfile } from "./start.ts";
import { watchStatus } from "./status-watch.ts";
import type { ProcessReport } from "./supervisor.ts";

/** A member that has not answered after so long is shown as silent. */
const STATUS_TIMEOUT_MS = 2000;

/** `check`: reads the Procfile and says what it names. */
export function check({ flags, io }: Invocation): void {
  try {
    const names = readProcfile(flags.string("procfile")).map(({ name }) => name);
    io.out(`valid procfile detected (${names.join(", ")})\n`);
  } catch (error) {
    exitWithError(ExitCode.ERROR, error);
  }
}

/** `stop`: ends the launcher with all of its processes. */
export async function stop(call: Invocation, deps: LauncherDeps): Promise<void> {
  const { processes } = await tell(call, deps, { command: "shutdown", processes: [] });
  call.io.out(`stopped ${processes.map(({ name }) => name).join(", ")}\n`);
}

type Steering = (call: Invocation, deps: LauncherDeps, names: readonly string[]) => Promise<void>;

/** The words behind `run`: those that goreman has, then what can be done to a cluster. */
const STEERING: ReadonlyMap<string, Steering> = new Map<string, Steering>([
  ["list", list],
  ["status", listWithMarks],
  ["start", (call, deps, names) => steer(call, deps, "start", names)],
  ["stop", (call, deps, names) => steer(call, deps, "stop", names)],
  ["restart", (call, deps, names) => steer(call, deps, "restart", names)],
  ["stop-all", (call, deps) => steer(call, deps, "stop", [])],
  ["restart-all", (call, deps) => steer(call, deps, "restart", [])],
  ["pause", (call, deps, names) => steer(call, deps, "pause", names)],
  ["resume", (call, deps, names) => steer(call, deps, "resume", names)],
  ["kill", (call, deps, names) => steer(call, deps, "kill", names)],
  ["partition", (call, deps, names) => steer(call, deps, "partition", names)],
  ["heal", (call, deps) => steer(call, deps, "heal", [])],
  ["slow", slow],
  ["logs", (call, deps, names) => show(call, deps, "logs", names)],
  ["load", load],
  ["timeline", (call, deps) => show(call, deps, "timeline", [])],
]);

const NEED_NAMES: ReadonlySet<string> = new Set([
  ...["start", "stop", "restart", "pause", "resume", "kill", "partition", "slow", "logs"],
]);
/** Mean all processes; a name behind them would be taken for something else. */
const TAKE_NO_NAMES: ReadonlySet<string> = new Set(["heal", "timeline"]);

/** `run COMMAND [PROCESS...]`. */
export async function run(call: Invocation, deps: LauncherDeps): Promise<void> {
  const [word = "", ...names] = call.args;
  const steering = STEERING.get(word);
  if (steering === undefined) {
    exitWithError(
      ExitCode.ERROR,
      `unknown command ${JSON.stringify(word)}; there are ${[...STEERING.keys()].join(", ")}`,
    );
  }
  if (NEED_NAMES.has(word) && names.length === 0) {
    exitWithError(ExitCode.ERROR, `run ${word} needs the name of a process; see run list`);
  }
  if (TAKE_NO_NAMES.has(word) && names.length > 0) {
    exitWithError(ExitCode.ERROR, `run ${word} is for the whole cluster and takes no name`);
  }
  if (call.flags.bool("watch") && word !== "status") {
    exitWithError(ExitCode.ERROR, "--watch is for run status");
  }
  await steering(call, deps, names);
}

async function steer(
  call: Invocation,
  deps: LauncherDeps,
  command: ControlCommand,
  names: readonly string[],
): Promise<void> {
  await tell(call, deps, { command, processes: names });
}

/** Names, and at the end how many milliseconds. */
async function slow(call: Invocation, deps: LauncherDeps, words: readonly string[]): Promise<void> {
  const last = words.at(-1) ?? "";
  const isNumber = /^\d+$/.test(last);
  const processes = isNumber ? words.slice(0, -1) : words;
  if (processes.length === 0) {
    exitWithError(ExitCode.ERROR, "run slow needs the name of a process; see run list");
  }
  const delayMs = isNumber ? Number(last) : undefined;
  await tell(call, deps, { command: "slow", processes, delayMs });
}

async function load(call: Invocation, deps: LauncherDeps, words: readonly string[]): Promise<void> {
  const mode = loadModeOf(words[0]);
  if (words.length > 1 || (words.length === 1 && mode === undefined)) {
    exitWithError(ExitCode.ERROR, "run load takes on, stale or off, or nothing to see how it goes");
  }
  const { text = "" } = await tell(call, deps, { command: "load", processes: [], load: mode });
  call.io.out(text);
}

async function show(
  call: Invocation,
  deps: LauncherDeps,
  command: ControlCommand,
  names: readonly string[],
): Promise<void> {
  const { text = "" } = await tell(call, deps, { command, processes: names });
  call.io.out(text);
}

async function list(call: Invocation, deps: LauncherDeps): Promise<void> {
  for (const { name } of await reportsOf(call, deps)) call.io.out(`${name}\n`);
}

/** A star stands before what runs. With --watch, a view of the members instead. */
async function listWithMarks(call: Invocation, deps: LauncherDeps): Promise<void> {
  if (call.flags.bool("watch")) {
    await watchStatus(call, deps.isTerminal, () => reportsOf(call, deps));
  }
  for (const { name, state } of await reportsOf(call, deps)) {
    call.io.out(`${isRunning(state) ? "*" : " "}${name}\n`);
  }
}

async function reportsOf(call: Invocation, deps: LauncherDeps): Promise<readonly ProcessReport[]> {
  return (await tell(call, deps, { command: "report", processes: [] })).processes;
}

async function tell(
  call: Invocation,
  deps: LauncherDeps,
  request: ControlRequest,
): Promise<ControlReply & { kind: "done" }> {
  try {
    return await ask(instancePath(call, deps), request);
  } catch (error) {
    if (!(error instanceof NoLauncherError)) exitWithError(ExitCode.ERROR, error);
    const instance = call.flags.string("instance");
    return exitWithError(
      ExitCode.ERROR,
      `no cluster runs as instance ${instance}; \`etcd-cluster start\` starts one`,
    );
  }
}

const HEADINGS = [
  "process",
  "state",
  "endpoint",
  "ID",
  "version",
  "db size",
  "is leader",
  "is learner",
  "raft term",
  "raft index",
  "raft applied index",
  "errors",
] as const;

/** `status`: each process, and what the member behind it says of itself. */
export async function status(call: Invocation, deps: LauncherDeps): Promise<void> {
  const reports = await reportsOf(call, deps);
  const rows = await Promise.all(reports.map(rowOf));
  call.io.out(
    formatTable(
      HEADINGS,
      rows.map(({ cells }) => cells),
    ),
  );
  if (rows.some(({ isWell }) => !isWell)) throw new CliExit(ExitCode.ERROR);
}

interface StatusRow {
  readonly cells: readonly string[];
  readonly isWell: boolean;
}

async function rowOf({ name, state, endpoint }: ProcessReport): Promise<StatusRow> {
  const head = [name, stateText(state), endpoint ?? ""];
  if (!isRunning(state)) return { cells: head, isWell: false };
  if (endpoint === undefined) return { cells: head, isWell: true };
  const client = new EtcdClient({
    endpoints: endpoint,
    requestTimeoutMs: STATUS_TIMEOUT_MS,
    // The launcher's own processes, asked for nothing that is secret.
    ...(endpoint.startsWith("https:") && { tls: { insecureSkipVerify: true } }),
  });
  try {
    return { cells: [...head, ...cellsOf(await client.maintenance.status())], isWell: true };
  } catch (error) {
    const reason = errorMessage(error);
    return { cells: [...head, "", "", "", "", "", "", "", "", reason], isWell: false };
  } finally {
    client.close();
  }
}

function cellsOf(answer: StatusResponse): string[] {
  const id = answer.header?.memberId ?? 0n;
  return [
    id.toString(16),
    answer.version,
    humanizeBytes(answer.dbSize),
    String(answer.leader === id),
    String(answer.isLearner),
    String(answer.raftTerm),
    String(answer.raftIndex),
    String(answer.raftAppliedIndex),
    answer.errors.join(", "),
  ];
}
