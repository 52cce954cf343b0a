/** How many file descriptors the process has, and what a member does with them. */
import { fileDescriptorLimit } from "../platform/index.ts";

/**
 * What a member needs for itself: segments and snapshots, the database, listeners, and the
 * connections of the members with each other. etcd's number.
 */
export const RESERVED_DESCRIPTORS = 150;

/** etcd's words at level fatal. */
export const TOO_FEW_DESCRIPTORS =
  "file descriptor limit of etcd process is too low; please set higher";

/** The limit if it leaves nothing for clients; undefined when it does, or the system is silent. */
export function tooLowDescriptorLimit(): number | undefined {
  const limit = fileDescriptorLimit();
  return limit !== 0 && limit <= RESERVED_DESCRIPTORS ? limit : undefined;
}

/** Connections of clients that one listener may have at a time; undefined when unlimited. */
export function maxClientConnections(): number | undefined {
  const limit = fileDescriptorLimit();
  return limit === 0 ? undefined : limit - RESERVED_DESCRIPTORS;
}
