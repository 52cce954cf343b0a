/** The built dashboard, where an installation has it. In a release's executable: replaced. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** Beside a bundle, or in the folder of the bundles where the sources are compiled one by one. */
const FOLDERS: readonly string[] = ["../../dashboard/", "../../lib/dashboard/"];

export type ReadFiles = () => Promise<ReadonlyMap<string, Uint8Array>>;

/** How to read its files by name; undefined when it is not installed. */
export function dashboardFiles(): ReadFiles | undefined {
  const folders = FOLDERS.map((folder) => new URL(folder, import.meta.url));
  const folder = folders.find((each) => existsSync(fileURLToPath(new URL("index.html", each))));
  return folder && (() => readFolder(folder));
}

async function readFolder(folder: URL): Promise<ReadonlyMap<string, Uint8Array>> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const files = names.map(async (name) => [name, await readFile(new URL(name, folder))] as const);
  return new Map(await Promise.all(files));
}
