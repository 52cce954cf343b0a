/** The dashboard of a member: where it is served, and how it is told to be. */
import type { Logger } from "../env/logger.ts";
import { type Mount, staticSiteMounts } from "../gateway/index.ts";
import type { EtcdConfig } from "./config/index.ts";
import { dashboardFiles } from "./dashboard-files.ts";

/** Under it the dashboard is served. */
const PREFIX = "/dashboard/";

export function dashboardMounts(config: EtcdConfig, logger: Logger): readonly Mount[] {
  if (!config.enableDashboard) return [];
  const readFiles = dashboardFiles();
  if (readFiles === undefined) {
    logger.warn("the dashboard is not installed");
    return [];
  }
  const { dashboardReadOnly: readOnly } = config;
  return staticSiteMounts({ prefix: PREFIX, readFiles, config: { readOnly } });
}

/** Where browsers find it, for the log. */
export function dashboardUrls(
  config: EtcdConfig,
  clientURLs: readonly string[],
): readonly string[] {
  if (!config.enableDashboard || !config.enableGrpcGateway) return [];
  return clientURLs
    .filter((url) => url.startsWith("http"))
    .map((url) => `${url.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")}${PREFIX}`);
}
