/** The faults of a simulated world, by name. */
export const FAULT_KINDS = [
  /** The process is killed; what it wrote stays. */
  "kill",
  /** The machine loses power; what was not synced is lost, torn or reordered. */
  "power",
  /** As `power` or `kill`, at one of the next writes, syncs, renamings ... */
  "crashPoint",
  /** A clean stop, and a start. */
  "restart",
  /** The process stands still while the others go on. */
  "pause",
  /** Members in two groups that do not hear each other. */
  "partition",
  /** The leader alone hears nobody. */
  "isolate",
  /** One direction between two members is dead. */
  "oneWay",
  /** Messages are lost, come twice, or late. */
  "badNetwork",
  /** Everything on one disk takes long. */
  "slowDisk",
  /** A sync fails, and what was to be synced is lost. */
  "syncError",
  /** No room on a disk for a while. */
  "fullDisk",
  /** The wall clock jumps. */
  "clockJump",
  /** All members die at once. */
  "blackout",
  /** No harm, but it goes on beside it: members are added, promoted, removed. */
  "membership",
  /** No harm either: users, roles and passwords change, and every client is somebody. */
  "auth",
  /** At the end all members die for good but one, which begins a new cluster (`disaster.ts`). */
  "disaster",
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];
