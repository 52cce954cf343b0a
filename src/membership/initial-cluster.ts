/**
 * Checks of `--initial-cluster` before a member is made for the first time, with etcd's error
 * texts. URLs are compared as text; whoever resolves host names passes a wider `sameURLs`.
 */

/** Peer URLs by member name. */
export type InitialCluster = ReadonlyMap<string, readonly string[]>;

export interface BootstrapChoice {
  readonly name: string;
  readonly initialCluster: InitialCluster;
  readonly advertisePeerURLs: readonly string[];
  readonly usesDiscovery: boolean;
  /** Whether two sorted lists of URLs mean the same addresses. Default: equal text. */
  readonly sameURLs?: (a: readonly string[], b: readonly string[]) => boolean;
}

/** What is wrong with the start of a new cluster; undefined if nothing is. */
export function refuseBootstrap(choice: BootstrapChoice): string | undefined {
  return (
    refuseMissingName(choice) ??
    refuseAdvertisedURLs(choice) ??
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
  const quoted = JSON.stringify(name);
  return `couldn't find local name ${quoted} in the initial cluster configuration`;
}

function refuseDuplicateURLs({ initialCluster }: BootstrapChoice): string | undefined {
  const urls = [...initialCluster.values()].flat();
  if (new Set(urls).size === urls.length) return undefined;
  return `initial cluster ${formatInitialCluster(initialCluster)} has duplicate url`;
}

function refuseAdvertisedURLs(choice: BootstrapChoice): string | undefined {
  const { name, initialCluster, advertisePeerURLs } = choice;
  const initial = [...(initialCluster.get(name) ?? [])].sort();
  const advertised = [...advertisePeerURLs].sort();
  const same = choice.sameURLs ?? equalLists;
  if (same(initial, advertised)) return undefined;
  const advertisedText = advertised.join(",");
  const notAdvertised = initial.filter((url) => !advertised.includes(url));
  if (notAdvertised.length > 0) {
    const pairs = notAdvertised.map((url) => `${name}=${url}`).join(",");
    return (
      `--initial-cluster has ${pairs} but missing from ` +
      `--initial-advertise-peer-urls=${advertisedText} (${urlsMismatch(advertised, initial)})`
    );
  }
  const notInitial = advertised.filter((url) => !initial.includes(url)).join(",");
  const cluster = formatInitialCluster(new Map([[name, advertised]]));
  return (
    `--initial-advertise-peer-urls has ${notInitial} but missing from ` +
    `--initial-cluster=${cluster}`
  );
}

function equalLists(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((url, i) => url === b[i]);
}

/** The reason that etcd's comparison of sorted URLs gives: the first pair that differs. */
export function urlsMismatch(a: readonly string[], b: readonly string[]): string {
  if (a.length !== b.length) return `len(${goList(a)}) != len(${goList(b)})`;
  const at = a.findIndex((url, i) => url !== b[i]);
  return `resolved urls: ${JSON.stringify(a[at])} != ${JSON.stringify(b[at])}`;
}

function goList(urls: readonly string[]): string {
  return `[${urls.map((url) => JSON.stringify(url)).join(" ")}]`;
}
