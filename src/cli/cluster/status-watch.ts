/**
 * `run status --watch`: where each member of a running cluster stands, side by side, until Ctrl-C.
 * Members of our own tell their launcher; others are asked for their status, which knows neither
 * ends of the log nor the role beyond leading.
 */
import type { MemberView } from "../../lab/lab-protocol.ts";
import { sleep } from "../../env/sleep.ts";
import { EtcdClient } from "../../client/index.ts";
import { formatID } from "../../base/ids.ts";
import type { Invocation } from "../framework/command.ts";
import { formatTable } from "../framework/table.ts";
import { stateText } from "./process-text.ts";
import type { ProcessReport } from "./supervisor.ts";

const REFRESH_MS = 500;
const ANSWER_TIMEOUT_MS = 400;
/** To the upper left corner, and nothing below. */
const CLEAR_SCREEN = "\u001b[H\u001b[2J\u001b[3J";

const HEADINGS = [
  ...["process", "state", "role", "term", "leader"],
  ...["log first", "log last", "commit", "applied", "network"],
] as const;

/** What is known of a member that does not report to its launcher. */
type PartialView = Pick<MemberView, "id" | "role" | "term" | "leader"> & Partial<MemberView>;

/** `report` asks the launcher and throws when there is none any more. */
export async function watchStatus(
  { io }: Invocation,
  isTerminal: boolean,
  report: () => Promise<readonly ProcessReport[]>,
): Promise<never> {
  const clients = new Map<string, EtcdClient>();
  let shown = "";
  try {
    for (;;) {
      const frame = await frameOf(await report(), clients);
      if (frame !== shown) io.out(isTerminal ? `${CLEAR_SCREEN}${frame}` : frame);
      shown = frame;
      await sleep(io.clock, REFRESH_MS);
    }
  } finally {
    for (const client of clients.values()) client.close();
  }
}

async function frameOf(
  reports: readonly ProcessReport[],
  clients: Map<string, EtcdClient>,
): Promise<string> {
  const views = await Promise.all(reports.map((report) => viewOf(report, clients)));
  return formatTable(HEADINGS, statusRows(reports, views));
}

export function statusRows(
  reports: readonly ProcessReport[],
  views: readonly (PartialView | undefined)[],
): string[][] {
  const names = new Map(views.map((view, i) => [view?.id, reports[i]?.name]));
  return reports.map(({ name, state, cutOff, delayMs }, i) => {
    const view = views[i];
    const leader = view === undefined || view.leader === "0" ? "" : view.leader;
    return [
      ...[name, stateText(state), view?.role ?? "", text(view?.term)],
      ...[names.get(leader) ?? leader, text(view?.first), text(view?.last)],
      ...[text(view?.commit), text(view?.applied), networkText(cutOff, delayMs)],
    ];
  });
}

function text(value: number | undefined): string {
  return value === undefined ? "" : String(value);
}

function networkText(cutOff: readonly string[], delayMs: number): string {
  const cut = cutOff.length === 0 ? [] : [`cut off from ${cutOff.join(", ")}`];
  return [...cut, ...(delayMs === 0 ? [] : [`${delayMs} ms late`])].join("; ");
}

async function viewOf(
  { view, state, endpoint }: ProcessReport,
  clients: Map<string, EtcdClient>,
): Promise<PartialView | undefined> {
  if (view !== undefined || state.kind !== "running" || endpoint === undefined) return view;
  let client = clients.get(endpoint);
  if (client === undefined) {
    client = new EtcdClient({
      endpoints: endpoint,
      requestTimeoutMs: ANSWER_TIMEOUT_MS,
      // The launcher's own processes, asked for nothing that is secret.
      ...(endpoint.startsWith("https:") && { tls: { insecureSkipVerify: true } }),
    });
    clients.set(endpoint, client);
  }
  try {
    const { header, leader, raftTerm, raftIndex, raftAppliedIndex } =
      await client.maintenance.status();
    const id = header?.memberId ?? 0n;
    return {
      id: formatID(id),
      role: leader === id ? "leader" : "follower",
      term: Number(raftTerm),
      leader: formatID(leader),
      commit: Number(raftIndex),
      applied: Number(raftAppliedIndex),
    };
  } catch {
    // Silent: its row says that it runs and nothing more.
    return undefined;
  }
}
