/** The size of a gRPC message. */

/** gRPC's largest message: what etcd's server allows itself to send, and a client to receive. */
export const MAX_MESSAGE_BYTES = 2 ** 31 - 1;
