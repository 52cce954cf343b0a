/**
 * Checks of `--initial-cluster` before a member is made for the first time, with etcd's error
 * texts.
 */
import { quote } from "../base/go-quote.ts";
import type { CompareURLs } from "./compare-urls.ts";

/** Peer URLs by member name. */
export type InitialCluster = ReadonlyMap<string, readonly string[]>;

export interface BootstrapChoice {
  readonly name: string;
  readonly initialCluster: InitialCluster;
  readonly advertisePeerURLs: readonly string[];
  readonly usesDiscovery: boolean;
}

/** What is wrong with the start of a new cluster; undefined if nothing is. */
export async function refuseBootstrap(
  choice: BootstrapChoice,
  compareURLs: CompareURLs,
): Promise<string | undefined> {
  return (
    refuseMissingName(choice) ??
    (await refuseAdvertisedURLs(choice, compareURLs)) ??
    refuseDuplicateURLs(choice) ??
    (choice.initialCluster.size === 0 && !choice.usesDiscovery
      ? "initial cluster unset and no discovery URL found"
      : undefined)
  );
}

/** What is wrong with joining an existing cluster; undefined if nothing is. */
export function refuseJoin(choice: BootstrapChoice): string | undefined {
  return (
    refuseMissingName(choice) ??
    refuseDuplicateURLs(choice) ??
    (choice.usesDiscovery
      ? "discovery URL should not be set when joining existing initial cluster"
      : undefined)
  );
}

/** `name=url` pairs, sorted and joined by commas, as etcd prints an initial cluster. */
export function formatInitialCluster(cluster: InitialCluster): string {
  const pairs = [...cluster].flatMap(([name, urls]) => urls.map((url) => `${name}=${url}`));
  return pairs.sort().join(",");
}

function refuseMissingName({ name, initialCluster }: BootstrapChoice): string | undefined {
  if (initialCluster.has(name)) return undefined;
  return `couldn't find local name ${quote(name)} in the initial cluster configuration`;
}

export function hasDuplicateURLs(cluster: InitialCluster): boolean {
  const urls = [...cluster.values()].flat();
  return new Set(urls).size !== urls.length;
}

function refuseDuplicateURLs({ initialCluster }: BootstrapChoice): string | undefined {
  if (!hasDuplicateURLs(initialCluster)) return undefined;
  return `initial cluster ${formatInitialCluster(initialCluster)} has duplicate url`;
}

async function refuseAdvertisedURLs(
  { name, initialCluster, advertisePeerURLs }: BootstrapChoice,
  compareURLs: CompareURLs,
): Promise<string | undefined> {
  const initial = [...(initialCluster.get(name) ?? [])].sort();
  const advertised = [...advertisePeerURLs].sort();
  const difference = await compareURLs(advertised, initial);
  if (difference === undefined) return undefined;
  const advertisedText = advertised.join(",");
  const notAdvertised = initial.filter((url) => !advertised.includes(url));
  if (notAdvertised.length > 0) {
    const pairs = notAdvertised.map((url) => `${name}=${url}`).join(",");
    return (
      `--initial-cluster has ${pairs} but missing from ` +
      `--initial-advertise-peer-urls=${advertisedText} (${difference})`
    );
  }
  const cluster = formatInitialCluster(new Map([[name, advertised]]));
  const notInitial = advertised.filter((url) => !initial.includes(url)).join(",");
  if (notInitial === "") {
    return `failed to resolve ${advertisedText} to match --initial-cluster=${cluster} (${difference})`;
  }
  return (
    `--initial-advertise-peer-urls has ${notInitial} but missing from ` +
    `--initial-cluster=${cluster}`
  );
}
