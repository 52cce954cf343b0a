/**
 * A machine of the users' guides, small enough to run here: a directory with the programs on the
 * PATH, and stand-ins for what the guides use around them. `docker run` and `docker exec` run the
 * command itself with the container's paths mapped, `ssh` runs the script on this machine, and a
 * supervisor in Python does what systemd does with a unit of `Type=notify`.
 *
 * `ETCD_GUIDES_BIN` names another directory of programs than bin/, such as an unpacked release.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const READY_TEXT = "ready to serve client requests";
const PROGRAMS = ["etcd", "etcdctl", "etcdutl"] as const;

/** Takes the options of the guides and no others, so that a new one is noticed. */
const DOCKER = `#!/bin/bash
set -eu
inside() { local text=\${1//"/usr/local/bin/"/"$GUIDE_BIN/"}; printf %s "$text"; }
command=$1
shift
case $command in
run)
  source= target=
  while :; do
    case $1 in
    -p | --name) shift 2 ;;
    --volume=*) source=\${1#--volume=}; target=\${source#*:}; source=\${source%%:*}; shift ;;
    --mount) source=\${2#*source=}; source=\${source%%,*}; target=\${2#*destination=}; shift 2 ;;
    -*) echo "docker: unknown option $1" >&2; exit 125 ;;
    *) break ;;
    esac
  done
  shift
  arguments=()
  for each in "$@"; do
    [ -z "$target" ] || each=\${each//"$target"/"$source"}
    arguments+=("$(inside "$each")")
  done
  exec "\${arguments[@]}" ;;
exec)
  shift
  arguments=()
  for each in "$@"; do arguments+=("$(inside "$each")"); done
  exec "\${arguments[@]}" ;;
pull | image | rmi) ;;
*) echo "docker: unknown command $command" >&2; exit 125 ;;
esac
`;

/** Takes a host, which it does not look at, and a script on standard input. */
const SSH = `#!/bin/sh
[ "$1" = -T ] && shift
exec /bin/sh
`;

/**
 * Reads a unit and does with [Service] what systemd does: EnvironmentFile, then ExecStart with
 * \${NAME} replaced and NOTIFY_SOCKET set. Prints each notification. Without PID 1's powers, users
 * and sandboxes stay out.
 */
const SYSTEMCTL = `import os, re, shlex, socket, subprocess, sys
unit = open(sys.argv[1]).read().replace("\\\\\\n", " ")
service = {}
for line in unit.splitlines():
    match = re.match(r"(\\w+)=(.*)", line)
    if match: service[match[1]] = match[2].strip()
assert service["Type"] == "notify"
environment = dict(os.environ)
path = service.get("EnvironmentFile", "")
if path and (os.path.exists(path.lstrip("-")) or not path.startswith("-")):
    for line in open(path.lstrip("-")):
        line = line.strip()
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            environment[name] = " ".join(shlex.split(value)) if value else ""
address = os.path.join(os.getcwd(), "notify")
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(address)
environment["NOTIFY_SOCKET"] = address
words = shlex.split(service["ExecStart"])
words = [re.sub(r"\\$\\{(\\w+)\\}", lambda m: environment.get(m[1], ""), w) for w in words]
child = subprocess.Popen(words, env=environment)
listener.settimeout(30)
print("notified:", listener.recv(4096).decode(), flush=True)
sys.exit(child.wait())
`;

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

/** Why the programs cannot be tried; false when all three run. As `skip` of a test. */
export function missingPrograms(): string | false {
  for (const program of PROGRAMS) {
    const path = join(binDirectory(), program);
    const argument = program === "etcd" ? "--version" : "version";
    const { status } = spawnSync(path, [argument], { env: baseEnvironment() });
    if (status !== 0) return `${path} does not run`;
  }
  return false;
}

export class GuideWorld implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "etcd-guides-"));
  readonly bin: string = join(this.directory, "bin");
  readonly clientPort: number;
  readonly peerPort: number;
  /** For a member that listens for clients twice. */
  readonly secondPort: number;
  readonly #started: ChildProcess[] = [];
  #output = "";

  static async create(): Promise<GuideWorld> {
    const [client = 0, peer = 0, second = 0] = await freePorts(3);
    return new GuideWorld(client, peer, second);
  }

  private constructor(clientPort: number, peerPort: number, secondPort: number) {
    this.clientPort = clientPort;
    this.peerPort = peerPort;
    this.secondPort = secondPort;
    mkdirSync(this.bin);
    for (const program of PROGRAMS) {
      symlinkSync(join(binDirectory(), program), join(this.bin, program));
    }
    this.write("bin/docker", DOCKER, 0o755);
    this.write("bin/ssh", SSH, 0o755);
    this.write("systemctl.py", SYSTEMCTL);
  }

  /** All output of what was started. */
  get output(): string {
    return this.#output;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.clientPort}`;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  write(name: string, text: string, mode = 0o644): string {
    const path = this.path(name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text, { mode });
    return path;
  }

  /** The guide's text with its ports, and `addresses`, moved to this machine. */
  local(text: string, ...addresses: readonly string[]): string {
    let result = text;
    for (const address of addresses) result = result.replaceAll(address, "127.0.0.1");
    return result
      .replaceAll(":2379", `:${this.clientPort}`)
      .replaceAll(":2380", `:${this.peerPort}`)
      .replaceAll(":4001", `:${this.secondPort}`);
  }

  /** Runs a script of the guide to its end. */
  run(script: string, env: Readonly<Record<string, string>> = {}): Finished {
    const { stdout, stderr, status } = spawnSync("/bin/bash", ["-c", script], {
      cwd: this.directory,
      env: { ...this.#environment(), ...env },
      encoding: "utf8",
      timeout: PATIENCE_MS,
    });
    return { stdout, stderr, status };
  }

  /** Starts what runs until it is stopped, and waits for `text` in its output. */
  async start(script: string, text: string = READY_TEXT): Promise<void> {
    const child = spawn("/bin/bash", ["-c", script], {
      cwd: this.directory,
      env: this.#environment(),
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.#started.push(child);
    running.add(child);
    await new Promise<void>((resolve, reject) => {
      const fail = (what: string): void => reject(new Error(`${what}; output:\n${this.#output}`));
      const timer = setTimeout(() => fail(`no '${text}' in time`), PATIENCE_MS);
      const take = (chunk: string): void => {
        this.#output += chunk;
        if (!this.#output.includes(text)) return;
        clearTimeout(timer);
        resolve();
      };
      child.stdout.setEncoding("utf8").on("data", take);
      child.stderr.setEncoding("utf8").on("data", take);
      child.once("close", () => {
        clearTimeout(timer);
        running.delete(child);
        fail(`ended before '${text}'`);
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#started) {
      const ended = new Promise((resolve) => child.once("close", resolve));
      if (child.exitCode === null && child.signalCode === null) {
        endGroup(child);
        await ended;
      }
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  #environment(): Record<string, string> {
    return {
      ...baseEnvironment(),
      PATH: `${this.bin}:${process.env.PATH ?? ""}`,
      HOME: this.directory,
      GUIDE_BIN: this.bin,
    };
  }
}

function binDirectory(): string {
  return process.env.ETCD_GUIDES_BIN ?? join(repositoryRoot, "bin");
}

function baseEnvironment(): Record<string, string> {
  return { PATH: process.env.PATH ?? "", HOME: tmpdir(), ETCD_NODE: process.execPath };
}

/** The shell and all that it started. */
function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) endGroup(child);
});
