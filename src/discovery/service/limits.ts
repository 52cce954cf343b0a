/** Limits of the discovery service: anybody may ask it. */

/** Members of one cluster; etcd recommends seven at the most. */
export const MAX_CLUSTER_SIZE = 100;

/** Members of one token beyond its size: they register at the same moment and are refused later. */
export const MAX_SURPLUS_MEMBERS = 16;

/** A registration: a name with some URLs. */
export const MAX_BODY_BYTES: number = 16 << 10;

/** Path and query of a request. */
export const MAX_URL_CHARACTERS = 2048;

/** Requests that wait for a member, over all tokens. */
export const MAX_WAITS = 10_000;

/** A wait without news is answered with nothing after this, and asked again, as etcd's. */
export const MAX_WAIT_MS: number = 5 * 60 * 1000;

/** Open connections: each wait has one. */
export const MAX_CONNECTIONS = 12_000;

/** The head of a request, and a request as a whole, must have come by then. */
export const RECEIVE_TIMEOUT_MS = 10_000;

/** A question to the etcd behind the service. */
export const STORE_TIMEOUT_MS = 4000;
