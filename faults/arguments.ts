/** The command line of `npm run faults`. */
import { parseArgs } from "node:util";
import { FAULT_KINDS, type FaultKind } from "./plan.ts";

export const FAULTS_USAGE = `npm run faults -- [options]

  --minutes N       how long to inject faults (1)
  --seed S          chooses faults, targets and requests (random)
  --size N          members (3)
  --etcd PATH[,..]  binaries that the members run in turn (bin/etcd of this repository)
  --only KIND[,..]  only these faults; "none" for the paused leader alone
  --paused N        rounds of the paused leader before the faults (3)
  --folder DIR      where a failed run leaves its data and history

  faults: ${FAULT_KINDS.join(" ")}
`;

export interface FaultsArguments {
  readonly minutes: number;
  readonly seed: number;
  readonly size: number;
  readonly binaries: readonly string[];
  readonly kinds: readonly FaultKind[];
  readonly pausedLeaderRounds: number;
  readonly folder: string | undefined;
}

/** Undefined when help was asked for. Throws an error with a text for the user. */
export function parseFaultsArguments(
  args: readonly string[],
  ourBinary: string,
): FaultsArguments | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "1" },
      seed: { type: "string" },
      size: { type: "string", default: "3" },
      etcd: { type: "string", multiple: true, default: [ourBinary] },
      only: { type: "string", multiple: true, default: [...FAULT_KINDS] },
      paused: { type: "string", default: "3" },
      folder: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const list = (given: readonly string[]): string[] => given.flatMap((each) => each.split(","));
  return {
    minutes: number("minutes", values.minutes, 0),
    seed: number("seed", values.seed ?? String(Date.now() % 1e6), 0),
    size: number("size", values.size, 2),
    binaries: list(values.etcd),
    kinds: list(values.only)
      .filter((name) => name !== "none")
      .map(kindOf),
    pausedLeaderRounds: number("paused", values.paused, 0),
    folder: values.folder,
  };
}

function kindOf(name: string): FaultKind {
  const kind = FAULT_KINDS.find((each) => each === name);
  if (kind === undefined)
    throw new Error(`${name} is no fault; there are ${FAULT_KINDS.join(" ")}`);
  return kind;
}

function number(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least) {
    throw new Error(`--${name} must be a number of at least ${least}, not "${text}"`);
  }
  return value;
}
