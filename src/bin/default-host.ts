/**
 * This machine's own address: the one of the interface that the default route leaves by. It
 * stands in advertised URLs when a member listens on 0.0.0.0 and was told nothing else.
 */

/** An interface's address, as `os.networkInterfaces()` lists them. */
export interface InterfaceAddress {
  readonly address: string;
  readonly family: string | number;
  readonly internal: boolean;
}

/**
 * @param routes text of `/proc/net/route`.
 * @returns an IPv4 address if there is one; undefined without a default route.
 */
export function findDefaultHost(
  routes: string,
  interfaces: Readonly<Record<string, readonly InterfaceAddress[] | undefined>>,
): string | undefined {
  const name = defaultInterface(routes);
  const addresses = (name === undefined ? undefined : interfaces[name]) ?? [];
  const outside = addresses.filter((entry) => !entry.internal);
  const v4 = outside.find((entry) => entry.family === "IPv4" || entry.family === 4);
  return (v4 ?? outside.find((entry) => !entry.address.startsWith("fe80")))?.address;
}

/** The interface of the default route with the lowest metric. */
function defaultInterface(routes: string): string | undefined {
  let best: { readonly name: string; readonly metric: number } | undefined;
  for (const line of routes.split("\n").slice(1)) {
    const [name, destination, , , , , metricText, mask] = line.split("\t");
    if (name === undefined || destination !== "00000000" || mask !== "00000000") continue;
    const metric = Number(metricText);
    if (best === undefined || metric < best.metric) best = { name, metric };
  }
  return best?.name;
}
