/**
 * `etcd join URL`: makes this machine a member of the cluster behind URL. Settings are those of
 * `etcd`; what the cluster knows better is not asked for.
 */
import {
  type EtcdConfig,
  type LogRecord,
  type ParseDeps,
  parseCommandLine,
} from "../embed/config/index.ts";
import type { RunningEtcd } from "../embed/start-etcd.ts";
import type { Logger } from "../env/logger.ts";
import { createLogger } from "../platform/index.ts";

const USAGE = `Usage:

  etcd join URL [--dry-run] [--join-user NAME:PASSWORD] [flags of etcd]
    Make this machine a member of a running cluster: ask the member at URL, add this one
    as a learner, start it, and give it a vote when it has caught up.

  URL is the client URL of a running member, such as http://10.0.0.1:2379.
  --dry-run says what would be done, and changes nothing.
  --join-user is needed when the cluster has authentication: a user with the role root.
  Of the flags of etcd a new member needs --name, --data-dir, and its addresses.
`;

/** The cluster says these itself. */
const KNOWN_BY_CLUSTER =
  /^--?(initial-cluster(?:-state|-token)?|discovery[a-z-]*|force-new-cluster)(?:=|$)/;

/** Runs a member as the server program does, and tells of it once it serves. */
export type RunMember = (
  config: EtcdConfig,
  records: readonly LogRecord[],
  onReady: (running: RunningEtcd, logger: Logger) => void,
) => Promise<void>;

interface JoinArguments {
  readonly url: string;
  readonly isDryRun: boolean;
  readonly user: string;
  readonly flags: readonly string[];
}

/** `args` are those behind `etcd join`. Sets the exit code, or runs the member until it ends. */
export async function joinMain(
  args: readonly string[],
  deps: ParseDeps,
  runMember: RunMember,
): Promise<void> {
  const read = readJoinArguments(args);
  if (typeof read === "string") return end(read === "" ? 0 : 2, read);
  const outcome = await parseCommandLine(["etcd", ...read.flags], deps);
  if (outcome.kind === "print") return end(outcome.exitCode, outcome.stderr);
  if (outcome.kind === "refuse") {
    const reasons = outcome.records.flatMap(({ fields }) => (fields?.error ? [fields.error] : []));
    return end(1, `etcd join: ${reasons[0] ?? "the settings cannot be used"}\n`);
  }
  await join(read, outcome.config, outcome.records, runMember);
}

async function join(
  { url, user, isDryRun }: JoinArguments,
  config: EtcdConfig,
  records: readonly LogRecord[],
  runMember: RunMember,
): Promise<void> {
  const { admit, describePlan, prepareJoin } = await import("../embed/join/join-cluster.ts");
  const logger = createLogger();
  const { SystemClock } = await import("../env/system-clock.ts");
  const clock = new SystemClock({ holdsProcess: true });
  const request = { url, config, user, logger, clock };
  const prepared = await prepareJoin(request);
  if ("problem" in prepared) return refuse(prepared);
  if (isDryRun) {
    prepared.client.close();
    process.stdout.write(describePlan(prepared, config));
    return;
  }
  const admitted = await admit(prepared, request);
  logger.close();
  if ("problem" in admitted) {
    prepared.client.close();
    return refuse(admitted);
  }
  const { client } = prepared;
  const { memberID, hasVote } = admitted;
  await runMember(admitted.config, records, (running, log) => {
    void takeVote(running, log).finally(() => client.close());
  });

  async function takeVote(running: RunningEtcd, log: Logger): Promise<void> {
    if (hasVote === true) return;
    const { promoteWhenReady } = await import("../embed/join/promote.ts");
    let isStopping = false;
    void running.stopped.then(() => {
      isStopping = true;
    });
    await promoteWhenReady(client, memberID, {
      clock,
      logger: log,
      isStopping: () => isStopping,
    });
  }
}

/** Otherwise what to print: nothing but the usage for help. */
function readJoinArguments(args: readonly string[]): JoinArguments | string {
  const [url = "", ...rest] = args;
  if (url === "" || url.startsWith("-")) {
    if (/^--?h(elp)?$/.test(url)) process.stdout.write(USAGE);
    return /^--?h(elp)?$/.test(url) ? "" : `etcd join: no URL\n\n${USAGE}`;
  }
  const flags: string[] = [];
  let isDryRun = false;
  let user = "";
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i] ?? "";
    if (/^--?dry-run(=true)?$/.test(word)) isDryRun = true;
    else if (/^--?join-user=/.test(word)) user = word.slice(word.indexOf("=") + 1);
    else if (/^--?join-user$/.test(word)) user = rest[++i] ?? "";
    else flags.push(word);
  }
  const known = flags.map((flag) => KNOWN_BY_CLUSTER.exec(flag)?.[1]).find((name) => name);
  if (known === undefined) return { url, isDryRun, user, flags };
  return `etcd join: leave out --${known}: the cluster that is joined knows its members\n`;
}

function refuse({ problem, advice }: { readonly problem: string; readonly advice: string }): void {
  end(1, `etcd join: ${problem}\n  ${advice}\n`);
}

function end(code: number, words: string): void {
  process.stderr.write(words);
  process.exitCode = code;
}
