/**
 * Runs inside the released executables, in place of `src/embed/dashboard-files.ts`: the files of
 * the dashboard are in an asset of the executable, by name, in base64.
 */
import { getAsset } from "node:sea";

/** Name of the asset. */
export const DASHBOARD_ASSET = "dashboard.json";

/** How to read the files by name. */
export function dashboardFiles(): () => Promise<ReadonlyMap<string, Uint8Array>> {
  return async () => {
    const files: Record<string, string> = JSON.parse(getAsset(DASHBOARD_ASSET, "utf8"));
    return new Map(
      Object.entries(files).map(([name, text]) => [name, Buffer.from(text, "base64")] as const),
    );
  };
}
