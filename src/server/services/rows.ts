/** How a service registers its methods: by their index in the RPC table. */
import type { Identity } from "../../auth/index.ts";
import type { StreamCall, UnaryCall } from "../../env/index.ts";

/** `who` has passed the method's rule in the RPC table; rules on keys are the service's to check. */
export type UnaryHandler = (call: UnaryCall, who: Identity) => void;
export type StreamHandler = (call: StreamCall, who: Identity) => void;

export type UnaryRows = Readonly<Record<number, UnaryHandler>>;
export type StreamRows = Readonly<Record<number, StreamHandler>>;
