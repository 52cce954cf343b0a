/** The commands for another terminal: what runs, and starting and stopping single processes. */
import { errorMessage } from "../../base/error-message.ts";
import { EtcdClient } from "../../client/index.ts";
import type { StatusResponse } from "../../api/gen/rpc.ts";
import { humanizeBytes } from "../../base/go-text.ts";
import type { Invocation } from "../framework/command.ts";
import { CliExit, ExitCode, exitWithError } from "../framework/exit.ts";
import { formatTable } from "../framework/table.ts";
import { ask, NoLauncherError } from "./control-client.ts";
import type { ControlCommand } from "./control-protocol.ts";
import type { LauncherDeps } from "./launcher-deps.ts";
import type { ProcessState } from "./managed-process.ts";
import { instancePath, readProcfile } from "./start.ts";
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
  const reports = await tell(call, deps, "shutdown", []);
  call.io.out(`stopped ${reports.map(({ name }) => name).join(", ")}\n`);
}

type Steering = (call: Invocation, deps: LauncherDeps, names: readonly string[]) => Promise<void>;

/** The words behind `run`, as goreman has them. */
const STEERING: ReadonlyMap<string, Steering> = new Map<string, Steering>([
  ["list", list],
  ["status", listWithMarks],
  ["start", (call, deps, names) => steer(call, deps, "start", names)],
  ["stop", (call, deps, names) => steer(call, deps, "stop", names)],
  ["restart", (call, deps, names) => steer(call, deps, "restart", names)],
  ["stop-all", (call, deps) => steer(call, deps, "stop", [])],
  ["restart-all", (call, deps) => steer(call, deps, "restart", [])],
]);

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
  const needsNames = ["start", "stop", "restart"].includes(word);
  if (needsNames && names.length === 0) {
    exitWithError(ExitCode.ERROR, `run ${word} needs the name of a process; see run list`);
  }
  await steering(call, deps, names);
}

async function steer(
  call: Invocation,
  deps: LauncherDeps,
  command: ControlCommand,
  names: readonly string[],
): Promise<void> {
  await tell(call, deps, command, names);
}

async function list(call: Invocation, deps: LauncherDeps): Promise<void> {
  for (const { name } of await tell(call, deps, "report", [])) call.io.out(`${name}\n`);
}

/** A star stands before what runs. */
async function listWithMarks(call: Invocation, deps: LauncherDeps): Promise<void> {
  for (const { name, state } of await tell(call, deps, "report", [])) {
    call.io.out(`${isRunning(state) ? "*" : " "}${name}\n`);
  }
}

async function tell(
  call: Invocation,
  deps: LauncherDeps,
  command: ControlCommand,
  processes: readonly string[],
): Promise<readonly ProcessReport[]> {
  try {
    const reply = await ask(instancePath(call, deps), { command, processes });
    return reply.processes;
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
  const reports = await tell(call, deps, "report", []);
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

function isRunning(state: ProcessState): boolean {
  return state.kind === "running" || state.kind === "stopping";
}

function stateText(state: ProcessState): string {
  switch (state.kind) {
    case "running":
      return `running (${state.pid})`;
    case "stopping":
      return `stopping (${state.pid})`;
    case "ended":
      return state.status;
    case "stopped":
      return "stopped";
  }
}
