/** The command line of the benchmark. */
import { parseArgs } from "node:util";

export interface BenchmarkArguments {
  /** Other etcd binaries to compare with, in this order. */
  readonly versus: readonly string[];
  /** Our start script; undefined: this repository's. */
  readonly ours: string | undefined;
  /** Node that runs our server. */
  readonly node: string;
  readonly only: RegExp;
  readonly seconds: number;
  /** Length of the measurements that are long unless told otherwise. */
  readonly longSeconds: number;
  readonly rounds: number;
  readonly keys: number;
  /** Where data directories are made. */
  readonly directory: string | undefined;
  /** Whether our server is measured at all. */
  readonly hasOurs: boolean;
  /** Record of a run to print, in place of measuring. */
  readonly shown: string | undefined;
}

export const BENCHMARK_USAGE = `npm run bench -- [options]
npm run bench -- growth --help
  --vs BINARY      measure this etcd too, in alternating rounds, and print ratios; several may be named
  --only REGEX     rows whose name matches
  --seconds N      length of a measurement (5; for light 60)
  --rounds N       measurements per server, the median counts (3)
  --keys N         keys of the workloads with many keys (1000000)
  --ours BINARY    measure this start script instead of bin/etcd, such as another version's
  --node PATH      the node that runs our server (the one that runs this)
  --dir PATH       where data directories are made; a real disk (the system's temporary folder)
  --without-ours   measure only the other binaries
  --show FILE      print the table of an earlier run, and measure nothing
`;

/** Undefined when help was asked for. @throws Error for unknown or malformed options. */
export function parseBenchmarkArguments(args: readonly string[]): BenchmarkArguments | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      vs: { type: "string", multiple: true, default: [] },
      show: { type: "string" },
      ours: { type: "string" },
      only: { type: "string", default: "" },
      seconds: { type: "string" },
      rounds: { type: "string", default: "3" },
      keys: { type: "string", default: "1000000" },
      node: { type: "string", default: process.execPath },
      dir: { type: "string" },
      "without-ours": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    versus: values.vs,
    ours: values.ours,
    node: values.node,
    only: new RegExp(values.only),
    seconds: positive("seconds", values.seconds ?? "5"),
    longSeconds: positive("seconds", values.seconds ?? "60"),
    rounds: positive("rounds", values.rounds),
    keys: positive("keys", values.keys),
    directory: values.dir,
    hasOurs: !values["without-ours"],
    shown: values.show,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} must be a positive number, not ${text}`);
  return value;
}
