/** Defragmentation of the db of a stopped member: a compact copy takes the place of the file. */
import { withWritableDb } from "./db-access.ts";
import type { UtilityDeps } from "./deps.ts";
import { memberPaths } from "./member-paths.ts";

/** A crash leaves the old file or the new one, whole. */
export async function defragmentDataDirectory(
  deps: UtilityDeps,
  dataDirectory: string,
): Promise<void> {
  const { db } = memberPaths(deps.disk, dataDirectory);
  await withWritableDb(deps, db, [], (backend) => backend.defragment());
}
