/** How large the segments of a log are. */

/** A segment is closed once it has at least this many bytes, as in etcd. */
export const SEGMENT_BYTES = 64 * 1000 * 1000;

/** A segment must hold its head and a batch of usual size, or every batch would begin a new one. */
export const MIN_SEGMENT_BYTES = 64 * 1024;
