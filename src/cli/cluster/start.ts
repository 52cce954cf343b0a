/**
 * `etcd-cluster start`: checks everything that can be checked, then runs the processes and shows
 * their output until somebody stops them.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import type { Invocation } from "../framework/command.ts";
import { CliExit, ExitCode, exitWithError } from "../framework/exit.ts";
import { chooseShape, keepShape } from "./cluster-folder.ts";
import { clientTlsFlags, tlsOf } from "./cluster-tls.ts";
import { carryOut } from "./carry-out.ts";
import { controlPath, instanceProblem } from "./control-path.ts";
import type { ControlReply, ControlRequest } from "./control-protocol.ts";
import { ControlServer } from "./control-server.ts";
import type { LauncherDeps } from "./launcher-deps.ts";
import { type ClusterShape, planMembers, type ProcessPlan } from "./plan.ts";
import { ClusterLab } from "./lab/cluster-lab.ts";
import { LabServer } from "./lab/lab-server.ts";
import { portProblems } from "./port-check.ts";
import { MAX_PROCFILE_BYTES, parseProcfile } from "./procfile.ts";
import { LAUNCHER_NAME, Screen } from "./screen.ts";
import { Supervisor } from "./supervisor.ts";

/** Flags of our own form, which a Procfile leaves no room for. */
const OWN_FLAGS = [
  ...["size", "port", "port-step", "data-dir", "temporary", "binary"],
  ...["auto-tls", "cert-file", "key-file", "trusted-ca-file"],
] as const;

interface Work {
  readonly plans: readonly ProcessPlan[];
  /** What people want to know first. */
  readonly remark: string;
  /** Writes what must be on disk before the start. */
  prepare(): void;
  cleanUp(): void;
}

/** Fails with everything that is wrong in one message where it can. */
export async function start(call: Invocation, deps: LauncherDeps): Promise<void> {
  const work = refuseOnError(() => planWork(call, deps));
  try {
    await launch(call, deps, work);
  } finally {
    work.cleanUp();
  }
}

async function launch(call: Invocation, deps: LauncherDeps, work: Work): Promise<void> {
  const { flags } = call;
  const names = flags.args.slice(0, flags.argsBeforeDash);
  const supervisor = newSupervisor(call, deps, work.plans);
  const unknown = supervisor.unknownName(names);
  if (unknown !== undefined) exitWithError(ExitCode.ERROR, `there is no process ${unknown}`);
  const control = await openControl(call, deps, (request) => carryOut(supervisor, deps, request));
  const stopListening = deps.onInterrupt(interruptHandler(call, deps, supervisor));
  const releaseExit = deps.onExit(() => supervisor.killAll());
  let lab: LabServer | undefined;
  try {
    const chosen = work.plans.filter(({ name }) => names.length === 0 || names.includes(name));
    const problems = await portProblems(chosen);
    if (problems.length > 0) exitWithError(ExitCode.ERROR, problems.join("\n"));
    work.prepare();
    if (!flags.bool("raw")) deps.output.write(work.remark);
    supervisor.start(names);
    lab = await openLab(deps, supervisor, work.plans);
    if (lab !== undefined && !flags.bool("raw")) {
      deps.output.write(`${LAUNCHER_NAME}: look at it and break it: ${lab.url}\n`);
    }
    const why = await supervisor.finished;
    if (why === "alone") throw new CliExit(ExitCode.ERROR);
  } finally {
    stopListening();
    releaseExit();
    lab?.close();
    await supervisor.load.stop();
    await control.close();
  }
}

/** For members of this installation, which have the pages. */
async function openLab(
  deps: LauncherDeps,
  supervisor: Supervisor,
  plans: readonly ProcessPlan[],
): Promise<LabServer | undefined> {
  const hasPages = plans.some(({ command }) => command.kind === "program" && command.isOwn);
  if (!hasPages) return undefined;
  return LabServer.open({
    supervisor,
    secret: deps.secret(),
    carryOut: (request) => carryOut(supervisor, deps, request),
  });
}

/** The first request to end is carried out in order, later ones at once. */
function interruptHandler(
  { flags }: Invocation,
  { output }: LauncherDeps,
  supervisor: Supervisor,
): () => void {
  let isFirst = true;
  return () => {
    if (!isFirst) {
      supervisor.killAll();
      return;
    }
    isFirst = false;
    if (!flags.bool("raw")) output.write(`${LAUNCHER_NAME}: stopping; Ctrl-C again kills\n`);
    void supervisor.shutDown();
  };
}

function newSupervisor(
  { flags }: Invocation,
  deps: LauncherDeps,
  plans: readonly ProcessPlan[],
): Supervisor {
  const colour = flags.string("color");
  const hasColours =
    colour === "always" || (colour === "auto" && deps.isTerminal && !deps.env["NO_COLOR"]);
  const names = plans.map(({ name }) => name);
  const { clock, isWindows, output } = deps;
  const screen = new Screen(
    { names, hasColours, isRaw: flags.bool("raw"), wallMs: () => clock.wallMs() },
    output,
  );
  const folder = resolve(flags.string("basedir"));
  const world = { clock, screen, folder, env: environment(deps), isWindows };
  return new Supervisor(plans, world, new ClusterLab(plans, () => deps.monotonicMs()));
}

/** This installation's commands are found too, behind those of the PATH. */
function environment({ env, commandFolder }: LauncherDeps): Record<string, string | undefined> {
  const name = Object.keys(env).find((key) => key.toUpperCase() === "PATH") ?? "PATH";
  const path = env[name] ?? "";
  return { ...env, [name]: path === "" ? commandFolder : `${path}${delimiter}${commandFolder}` };
}

function planWork(call: Invocation, deps: LauncherDeps): Work {
  const { flags } = call;
  const colours = ["auto", "always", "never"];
  if (!colours.includes(flags.string("color"))) {
    throw new Error(`--color must be one of ${colours.join(", ")}`);
  }
  return flags.isChanged("procfile") ? planProcfile(call) : planOwn(call, deps);
}

function planProcfile({ flags }: Invocation): Work {
  const own = OWN_FLAGS.find((name) => flags.isChanged(name));
  if (own !== undefined) throw new Error(`--${own} is not for Procfiles: they say it themselves`);
  if (flags.argsBeforeDash !== undefined && flags.argsBeforeDash < flags.args.length) {
    throw new Error('flags of etcd behind "--" are not for Procfiles');
  }
  const plans = readProcfile(flags.string("procfile"));
  return {
    plans,
    remark: `${LAUNCHER_NAME}: ${plans.length} processes of ${flags.string("procfile")}; Ctrl-C stops them\n`,
    prepare: () => undefined,
    cleanUp: () => undefined,
  };
}

export function readProcfile(path: string): ProcessPlan[] {
  let text: string;
  try {
    if (statSync(path).size > MAX_PROCFILE_BYTES) {
      throw new Error(`it has more than ${MAX_PROCFILE_BYTES} bytes`);
    }
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`cannot read ${path}: ${(error as Error).message}`);
  }
  return parseProcfile(text, path);
}

function planOwn({ flags }: Invocation, deps: LauncherDeps): Work {
  const isTemporary = flags.bool("temporary");
  if (isTemporary && flags.isChanged("data-dir")) {
    throw new Error("--data-dir and --temporary exclude each other");
  }
  const folder = isTemporary
    ? mkdtempSync(join(tmpdir(), "etcd-cluster-"))
    : resolve(flags.string("basedir"), flags.string("data-dir"));
  const cleanUp = (): void => {
    if (isTemporary) rmSync(folder, { recursive: true, force: true });
  };
  try {
    const shape = chooseShape(folder, givenShape(flags));
    const binary = flags.string("binary");
    const program =
      binary === "" ? deps.program : { file: binary, args: [], env: {}, isOwn: false };
    const moreFlags = flags.args.slice(flags.argsBeforeDash ?? flags.args.length);
    const plans = planMembers(shape, folder, program, moreFlags);
    const remark = remarkOn(plans, folder, isTemporary, clientTlsFlags(shape.tls));
    return { plans, remark, prepare: () => keepShape(folder, shape), cleanUp };
  } catch (error) {
    cleanUp();
    throw error;
  }
}

function givenShape(flags: Invocation["flags"]): Partial<ClusterShape> {
  const asked = {
    auto: flags.bool("auto-tls"),
    certFile: flags.string("cert-file"),
    keyFile: flags.string("key-file"),
    trustedCaFile: flags.string("trusted-ca-file"),
  };
  const tls = tlsOf(asked, resolve(flags.string("basedir")));
  return {
    ...(tls && { tls }),
    ...(flags.isChanged("size") && { size: flags.number("size") }),
    ...(flags.isChanged("port") && { port: flags.number("port") }),
    ...(flags.isChanged("port-step") && { portStep: flags.number("port-step") }),
  };
}

function remarkOn(
  plans: readonly ProcessPlan[],
  folder: string,
  isTemporary: boolean,
  clientFlags: string,
): string {
  const endpoints = plans.map(({ endpoint }) => endpoint).join(",");
  const kept = isTemporary ? "removed at the end" : "kept";
  const count = plans.length === 1 ? "1 member" : `${plans.length} members`;
  return (
    `${LAUNCHER_NAME}: ${count}, data in ${folder} (${kept}); Ctrl-C stops them\n` +
    `${LAUNCHER_NAME}: etcdctl --endpoints=${endpoints}${clientFlags} member list\n`
  );
}

async function openControl(
  call: Invocation,
  deps: LauncherDeps,
  handler: (request: ControlRequest) => Promise<ControlReply>,
): Promise<ControlServer> {
  const instance = call.flags.string("instance");
  const path = refuseOnError(() => instancePath(call, deps));
  const control = await ControlServer.open(path, handler);
  if (control !== undefined) return control;
  return exitWithError(
    ExitCode.ERROR,
    `a cluster runs already as instance ${instance}: see \`etcd-cluster status\`; ` +
      "`etcd-cluster stop` stops it, and --instance gives another one a name of its own",
  );
}

/** @throws Error for names that are none, and folders that others can write to. */
export function instancePath({ flags }: Invocation, deps: LauncherDeps): string {
  const instance = flags.string("instance");
  const problem = instanceProblem(instance);
  if (problem !== undefined) throw new Error(problem);
  return controlPath(instance, deps);
}

function refuseOnError<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    return exitWithError(ExitCode.ERROR, error);
  }
}
