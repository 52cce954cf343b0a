/** What a running launcher does for another terminal. */
import type { ControlReply, ControlRequest, LoadMode } from "./control-protocol.ts";
import { loadText } from "./lab/load.ts";
import { eventText, isTold } from "./lab/timeline-text.ts";
import type { LauncherDeps } from "./launcher-deps.ts";
import { MAX_RECENT_LINES } from "./recent-lines.ts";
import { Screen, timeText } from "./screen.ts";
import type { Supervisor } from "./supervisor.ts";

/** How slow `slow` makes a member without a number: longer than etcd's heartbeat, not an election. */
const USUAL_DELAY_MS = 300;
/** One answer to a terminal. */
const SHOWN_EVENTS = 100;

type Deps = Pick<LauncherDeps, "clock" | "isWindows" | "monotonicMs" | "pid">;

/** @throws Error with the reason of a refusal. */
export async function carryOut(
  supervisor: Supervisor,
  deps: Deps,
  request: ControlRequest,
): Promise<ControlReply> {
  const unknown = supervisor.unknownName(request.processes);
  if (unknown !== undefined) return { kind: "refused", reason: `there is no process ${unknown}` };
  const text = await answer(supervisor, deps, request);
  return { kind: "done", pid: deps.pid, processes: supervisor.reports(), text };
}

async function answer(
  supervisor: Supervisor,
  deps: Deps,
  { command, processes, delayMs, load }: ControlRequest,
): Promise<string | undefined> {
  switch (command) {
    case "report":
      return undefined;
    case "start":
      supervisor.start(processes);
      return undefined;
    case "stop":
      await supervisor.stop(processes);
      return undefined;
    case "restart":
      await supervisor.restart(processes);
      return undefined;
    case "shutdown":
      await supervisor.shutDown();
      return undefined;
    case "pause":
    case "resume":
      refusePauseOnWindows(deps);
      supervisor[command](processes);
      return undefined;
    case "kill":
      await supervisor.kill(processes);
      return undefined;
    case "partition":
      supervisor.partition(processes);
      return undefined;
    case "heal":
      supervisor.heal();
      return undefined;
    case "slow":
      for (const name of processes) supervisor.slow(name, delayMs ?? USUAL_DELAY_MS);
      return undefined;
    case "load":
      await steerLoad(supervisor, load);
      return loadText(supervisor.load.report);
    case "logs":
      return logsText(supervisor, processes);
    case "timeline":
      return timelineText(supervisor, deps);
  }
}

async function steerLoad({ load }: Supervisor, mode: LoadMode | undefined): Promise<void> {
  if (mode === "off") await load.stop();
  else if (mode !== undefined) await load.start(mode === "on" ? "linearizable" : "stale");
}

function refusePauseOnWindows({ isWindows }: Deps): void {
  if (isWindows) throw new Error("Windows cannot pause a process; kill and start it instead");
}

function logsText(supervisor: Supervisor, names: readonly string[]): string {
  let text = "";
  const output = { write: (more: string) => void (text += more), drained: () => Promise.resolve() };
  const lines = names.flatMap((name) => supervisor.recent(name).map((line) => ({ name, ...line })));
  lines.sort((a, b) => a.wallMs - b.wallMs);
  const screen = new Screen({ names, hasColours: false, isRaw: false, wallMs: () => 0 }, output);
  for (const { name, text: line, wallMs, isNote } of lines.slice(-MAX_RECENT_LINES)) {
    if (isNote) screen.note(name, line, wallMs);
    else screen.line(name, line, wallMs);
  }
  return text;
}

function timelineText(supervisor: Supervisor, { clock, monotonicMs }: Deps): string {
  const { lab } = supervisor;
  const toWallMs = clock.wallMs() - monotonicMs();
  const names = supervisor.reports().map(({ name }) => name);
  const width = Math.max(...names.map((name) => name.length));
  return lab.timeline
    .newest(SHOWN_EVENTS, isTold)
    .map((event) => {
      const head = `${timeText(event.atMs + toWallMs)} ${event.process.padEnd(width)} |`;
      return `${head} ${eventText(event, (id) => lab.nameOf(id))}\n`;
    })
    .join("");
}
