/**
 * What a launcher is to run, as plain data: one plan per process, made from the options of our own
 * form or from a Procfile. Nothing here touches the disk or starts anything.
 */
import { join } from "node:path";
import { MAX_PORT } from "../../base/port.ts";
import { type ClusterTls, memberTlsFlags } from "./cluster-tls.ts";
import type { ListenAddress } from "./line-flags.ts";

/** More processes than this on one machine are a mistake; bounds what a Procfile can start. */
export const MAX_PROCESSES = 64;
/** Larger clusters are slower and no safer; etcd itself advises at most seven members. */
export const MAX_MEMBERS = 9;

/** A program with arguments, which no shell looks at, or a line for the system's shell. */
export type ProcessCommand =
  | ({ readonly kind: "program" } & MemberProgram)
  | { readonly kind: "line"; readonly line: string };

export interface ProcessPlan {
  readonly name: string;
  readonly command: ProcessCommand;
  /** Where it answers clients, as far as its flags say. */
  readonly endpoint: string | undefined;
  /** Where it will listen, as far as its flags say. */
  readonly addresses: readonly ListenAddress[];
  /** Where a member of our own form meets the others; such a member may be cut off from them. */
  readonly peerURL?: string;
}

/** The members of our own form. Kept with their data: a cluster cannot change them later. */
export interface ClusterShape {
  readonly size: number;
  /** Client port of the first member; its peer port is the next one. */
  readonly port: number;
  /** From one member's ports to the next one's. */
  readonly portStep: number;
  /** Undefined: http. The files may change from start to start. */
  readonly tls?: ClusterTls | undefined;
}

/** How the etcd of our own form is started. */
export interface MemberProgram {
  readonly file: string;
  /** In front of etcd's flags. */
  readonly args: readonly string[];
  /** Besides the launcher's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** This installation's etcd, which takes the launcher's faults. */
  readonly isOwn: boolean;
}

const HOST = "127.0.0.1";
/** With three members on the default ports, member and cluster IDs are those of etcd's guides. */
const TOKEN = "etcd-cluster-1";

/** What is wrong with a shape; undefined when nothing. */
export function shapeProblem({ size, port, portStep }: ClusterShape): string | undefined {
  if (size < 1 || size > MAX_MEMBERS) {
    return `--size must be from 1 to ${MAX_MEMBERS}, not ${size}`;
  }
  if (port < 1 || port > MAX_PORT) return `--port must be from 1 to ${MAX_PORT}, not ${port}`;
  if (portStep < 2) return `--port-step must be at least 2, not ${portStep}`;
  const last = port + (size - 1) * portStep + 1;
  if (last <= MAX_PORT) return undefined;
  return `member ${size} would need port ${last}; choose a smaller --port or --port-step`;
}

/** One plan per member, named etcd1, etcd2 and so on as in the guides' Procfile. */
export function planMembers(
  shape: ClusterShape,
  folder: string,
  program: MemberProgram,
  moreFlags: readonly string[],
): ProcessPlan[] {
  const scheme = shape.tls === undefined ? "http" : "https";
  const urlOf = (port: number): string => `${scheme}://${HOST}:${port}`;
  const members = Array.from({ length: shape.size }, (_, i) => {
    const clientPort = shape.port + i * shape.portStep;
    return { number: i + 1, name: `infra${i + 1}`, clientPort, peerPort: clientPort + 1 };
  });
  const initialCluster = members.map(({ name, peerPort }) => `${name}=${urlOf(peerPort)}`);
  return members.map(({ number, name, clientPort, peerPort }) => ({
    name: `etcd${number}`,
    endpoint: urlOf(clientPort),
    peerURL: urlOf(peerPort),
    addresses: [
      { host: HOST, port: clientPort },
      { host: HOST, port: peerPort },
    ],
    command: {
      kind: "program",
      file: program.file,
      env: program.env,
      isOwn: program.isOwn,
      args: [
        ...program.args,
        ...["--name", name, "--data-dir", join(folder, `${name}.etcd`)],
        ...["--listen-client-urls", urlOf(clientPort)],
        ...["--advertise-client-urls", urlOf(clientPort)],
        ...["--listen-peer-urls", urlOf(peerPort)],
        ...["--initial-advertise-peer-urls", urlOf(peerPort)],
        ...["--initial-cluster-token", TOKEN, "--initial-cluster", initialCluster.join(",")],
        ...["--initial-cluster-state", "new", "--logger", "zap", "--log-outputs", "stderr"],
        ...memberTlsFlags(shape.tls),
        ...moreFlags,
      ],
    },
  }));
}
