/** From which of its addresses a member dials the others. */
import { BlockList, isIP } from "node:net";
import type { Logger } from "../env/logger.ts";
import type { EtcdConfig } from "./config/index.ts";

/** Addresses that say nothing about the way to other machines. */
const UNSUITABLE = new BlockList();
UNSUITABLE.addSubnet("127.0.0.0", 8, "ipv4");
UNSUITABLE.addAddress("0.0.0.0", "ipv4");
UNSUITABLE.addAddress("::1", "ipv6");
UNSUITABLE.addAddress("::", "ipv6");

/**
 * With the gate `SetMemberLocalAddr`: the first advertised peer URL's address that is neither
 * loopback nor unspecified, as etcd chooses it. Undefined leaves the choice to the system. Says in
 * etcd's words what it found.
 */
export function memberLocalAddress(
  { featureGates, initialAdvertisePeerUrls }: EtcdConfig,
  logger: Logger,
): string | undefined {
  if (!featureGates.SetMemberLocalAddr) return undefined;
  const fields = { "advertise-peer-urls": initialAdvertisePeerUrls.map(({ href }) => href) };
  logger.info("searching for a suitable member local address in AdvertisePeerURLs", fields);
  const address = initialAdvertisePeerUrls.map(({ hostname }) => hostname).find(isSuitable);
  if (address === undefined) {
    logger.warn(
      "unable to set a member local address due to lack of suitable local addresses",
      fields,
    );
    return undefined;
  }
  logger.info("setting member local address", { LocalAddr: address });
  return address;
}

function isSuitable(hostname: string): boolean {
  const family = isIP(hostname);
  return family !== 0 && !UNSUITABLE.check(hostname, family === 4 ? "ipv4" : "ipv6");
}
