/**
 * The server's feature gates (`--feature-gates=Name=true,…`) and the older flags that some of
 * them replace. Gates set one after the other add up; AllAlpha and AllBeta move every gate of
 * their stage that is not set by name before them.
 */
import { parseBool } from "../../base/go-number.ts";
import { TextError } from "../../base/go-text.ts";

export type GateStage = "ALPHA" | "BETA";

interface GateSpec {
  readonly stage: GateStage;
  readonly fallback: boolean;
}

const GATES = {
  AllAlpha: { stage: "ALPHA", fallback: false },
  AllBeta: { stage: "BETA", fallback: false },
  CompactHashCheck: { stage: "ALPHA", fallback: false },
  InitialCorruptCheck: { stage: "ALPHA", fallback: false },
  LeaseCheckpoint: { stage: "ALPHA", fallback: false },
  LeaseCheckpointPersist: { stage: "ALPHA", fallback: false },
  SetMemberLocalAddr: { stage: "ALPHA", fallback: false },
  StopGRPCServiceOnDefrag: { stage: "ALPHA", fallback: false },
  TxnModeWriteWithSharedBuffer: { stage: "BETA", fallback: true },
} as const satisfies Record<string, GateSpec>;

export type GateName = keyof typeof GATES;
export const GATE_NAMES = Object.keys(GATES) as readonly GateName[];

/** Gates given by the user, by name; a gate that is not in it has its default. */
export type GateSettings = ReadonlyMap<GateName, boolean>;

/** Every gate with its value in force. */
export type FeatureGates = Readonly<Record<GateName, boolean>>;

export const NO_GATES: GateSettings = new Map();

function isGateName(name: string): name is GateName {
  return Object.hasOwn(GATES, name);
}

export function gateSpec(name: GateName): GateSpec {
  return GATES[name];
}

/**
 * `previous` with the gates of `text` on top.
 * @throws TextError when a gate is unknown or has no boolean.
 */
export function parseGates(text: string, previous: GateSettings): GateSettings {
  const given: [string, boolean][] = [];
  for (const pair of text.split(",")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = (equals < 0 ? pair : pair.slice(0, equals)).trim();
    if (equals < 0) throw new TextError(`missing bool value for ${name}`);
    const word = pair.slice(equals + 1).trim();
    const parsed = parseBool(word);
    if ("error" in parsed) {
      throw new TextError(`invalid value of ${name}=${word}, err: ${parsed.error}`);
    }
    given.push([name, parsed.value]);
  }
  return setGates(given, previous);
}

/** @throws TextError when a gate is unknown. */
export function setGates(
  given: Iterable<readonly [string, boolean]>,
  previous: GateSettings,
): GateSettings {
  const settings = new Map(previous);
  for (const [name, value] of given) {
    if (!isGateName(name)) throw new TextError(`unrecognized feature gate: ${name}`);
    settings.set(name, value);
    if (name !== "AllAlpha" && name !== "AllBeta") continue;
    for (const other of GATE_NAMES) {
      if (GATES[other].stage === GATES[name].stage && !settings.has(other)) {
        settings.set(other, value);
      }
    }
  }
  return settings;
}

export function resolveGates(settings: GateSettings): FeatureGates {
  return Object.fromEntries(
    GATE_NAMES.map((name) => [name, settings.get(name) ?? GATES[name].fallback]),
  ) as Record<GateName, boolean>;
}

/** One line per gate for the help, as in `LeaseCheckpoint=true|false (ALPHA - default=false)`. */
export function describeGates(): string[] {
  return GATE_NAMES.map(
    (name) => `${name}=true|false (${GATES[name].stage} - default=${GATES[name].fallback})`,
  );
}
