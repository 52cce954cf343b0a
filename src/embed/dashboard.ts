/** The dashboard of a member: where its files are, and how it is told to be. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Logger } from "../env/logger.ts";
import { type Mount, staticSiteMount } from "../gateway/index.ts";
import type { EtcdConfig } from "./config/index.ts";

/** Under it the dashboard is served. */
const PREFIX = "/dashboard/";

/** Beside a bundle, or in the folder of the bundles where the sources are compiled one by one. */
const FOLDERS: readonly string[] = ["../../dashboard/", "../../lib/dashboard/"];

export function dashboardMounts(config: EtcdConfig, logger: Logger): readonly Mount[] {
  if (!config.enableDashboard) return [];
  const folders = FOLDERS.map((folder) => fileURLToPath(new URL(folder, import.meta.url)));
  const folder = folders.find((each) => existsSync(`${each}index.html`));
  if (folder === undefined) {
    logger.warn("the dashboard is not installed", { folders });
    return [];
  }
  const { dashboardReadOnly: readOnly } = config;
  return [staticSiteMount({ prefix: PREFIX, folder, config: { readOnly } })];
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
