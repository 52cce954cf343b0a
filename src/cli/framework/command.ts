/**
 * Commands of a tool as one table: what help prints and what the shell completes comes from it, and
 * each row names the module that carries the command out, loaded only when it is used.
 *
 * How to make a tool with this folder:
 *
 *     const root: CommandSpec = {
 *       use: "etcdutl",
 *       short: "An administrative command line tool for etcd3.",
 *       persistentFlags: [{ name: "write-out", short: "w", kind: "string", default: "simple",
 *                           usage: "set the output format (...)" }],
 *       commands: [
 *         { use: "defrag", short: "Defragments ...", flags: [...],
 *           load: async () => (await import("./defrag.ts")).defrag },
 *         versionCommand(...),
 *       ],
 *     };
 *     const code = await runTool(root, { version: "3.6.14", apiVersion: "3.6" }, processIo());
 *
 * A command is `(call: Invocation) => Promise<void>`: it reads `call.args` and `call.flags`
 * (`call.flags.string("write-out")`, `.bool`, `.number`, `.int`, `.durationMs`, `.strings`), prints
 * through `call.io`, and ends early with `exitWithError(ExitCode.BAD_ARGS, "...")`. `table.ts` prints
 * ASCII tables, `go-text.ts` values as Go does. "help" is added by itself; `shell/` holds the
 * completion command. Sub-commands inherit persistent flags; rows without `load` print their help.
 */
import type { FlagSet, FlagSpec } from "./flags.ts";
import type { Io } from "./io.ts";

/** One run of a command. */
export interface Invocation {
  readonly command: Command;
  readonly args: readonly string[];
  readonly flags: FlagSet;
  readonly io: Io;
  readonly about: ToolVersion;
}

export type CommandRun = (call: Invocation) => Promise<void>;

export interface ToolVersion {
  readonly version: string;
  readonly apiVersion: string;
  /**
   * How help looks: in sections with headings in capitals (etcdctl, the default), or plain as of
   * etcdutl, which also tells a refused command line on standard error alone. "titled" is plain,
   * with what the command does above it, as of the commands of etcd itself.
   */
  readonly helpLayout?: "sections" | "plain" | "titled";
}

export interface CommandSpec {
  /** Name, then what stands behind it in the usage line. */
  readonly use: string;
  readonly short: string;
  readonly long?: string;
  readonly example?: string;
  readonly flags?: readonly FlagSpec[];
  /** Also known to all sub-commands. */
  readonly persistentFlags?: readonly FlagSpec[];
  readonly commands?: readonly CommandSpec[];
  readonly load?: () => Promise<CommandRun>;
  /** The usage line ends without "[flags]". */
  readonly plainUsageLine?: boolean;
  /** Neither listed nor completed. */
  readonly hidden?: boolean;
  /** What is wrong with the arguments, told before `load`. */
  readonly checkArgs?: (args: readonly string[], path: string) => string | undefined;
  /** First arguments that the shell may offer. */
  readonly validArgs?: readonly string[];
}

const HELP_NAME = "help";

/** A row of the table with its place in the tree. */
export class Command {
  readonly spec: CommandSpec;
  readonly parent: Command | undefined;
  readonly name: string;
  /** In the order of the table. */
  readonly commands: readonly Command[];

  constructor(spec: CommandSpec, parent?: Command) {
    this.spec = spec;
    this.parent = parent;
    this.name = spec.use.split(" ")[0] ?? "";
    this.commands = (spec.commands ?? []).map((each) => new Command(each, this));
  }

  get root(): Command {
    return this.parent === undefined ? this : this.parent.root;
  }

  /** "etcdctl member list". */
  get path(): string {
    return this.parent === undefined ? this.name : `${this.parent.path} ${this.name}`;
  }

  get runnable(): boolean {
    return this.spec.load !== undefined;
  }

  /** As listed: by name. */
  get sortedCommands(): Command[] {
    return [...this.commands].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Flags that help lists under OPTIONS, by name. */
  get localFlags(): FlagSpec[] {
    const help: FlagSpec = {
      name: HELP_NAME,
      short: "h",
      kind: "bool",
      default: "false",
      usage: `help for ${this.name}`,
    };
    return byName([...(this.spec.flags ?? []), ...(this.spec.persistentFlags ?? []), help]);
  }

  /** Flags of the commands above, by name. */
  get inheritedFlags(): FlagSpec[] {
    const found: FlagSpec[] = [];
    for (let each = this.parent; each !== undefined; each = each.parent) {
      found.push(...(each.spec.persistentFlags ?? []));
    }
    return byName(found);
  }

  get allFlags(): FlagSpec[] {
    return [...this.localFlags, ...this.inheritedFlags];
  }

  get usageLine(): string {
    const { use, plainUsageLine } = this.spec;
    const line = this.parent === undefined ? use : `${this.parent.path} ${use}`;
    return plainUsageLine === true || line.includes("[flags]") ? line : `${line} [flags]`;
  }
}

function byName(flags: readonly FlagSpec[]): FlagSpec[] {
  return [...flags].sort((a, b) => (a.name < b.name ? -1 : 1));
}
