/** Who a data directory belongs to, by the first record of its log. Nothing is changed. */
import { join } from "node:path";
import { Metadata } from "../../api/gen/etcdserver.ts";
import type { Logger } from "../../env/logger.ts";
import { NodeDisk } from "../../platform/index.ts";
import { inspectLog, RecordType, walExists } from "../../wal/index.ts";
import type { EtcdConfig } from "../config/index.ts";
import type { OwnIdentity } from "./join-plan.ts";

/** Undefined when there is no log. Throws when it cannot be read. */
export function ownIdentity(
  { dataDir, walDir }: Pick<EtcdConfig, "dataDir" | "walDir">,
  logger: Logger,
): OwnIdentity | undefined {
  const disk = new NodeDisk();
  const directory = walDir === "" ? join(dataDir, "member", "wal") : walDir;
  if (!walExists(disk, directory)) return undefined;
  for (const finding of inspectLog({ disk, logger }, directory)) {
    if (finding.kind !== "record" || finding.type !== RecordType.metadata) continue;
    const { NodeID: memberID, ClusterID: clusterID } = Metadata.decode(finding.data);
    return { memberID, clusterID };
  }
  throw new Error(`the log in ${directory} does not say whose it is`);
}
