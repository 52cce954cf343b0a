/** The transport layer: listeners and the client half of gRPC over our own HTTP/2. */
export type { MethodKind, MethodRow } from "./grpc/method-table.ts";
export type { UpgradeHandler } from "./http/http1-server.ts";
export type { ExchangePeer } from "./http/http2-exchange.ts";
export {
  ConnectionAcceptor,
  type ListenAddress,
  type Listener,
  type ListenerOptions,
  listen,
} from "./listener.ts";
export type { CallHandler, ClientCall } from "./client/client-call.ts";
export {
  type CallOptions,
  ClientConnection,
  type ClientMethod,
  type ClientOptions,
  type ClientStream,
  connect,
  type Metadata,
  startClient,
} from "./client/connection.ts";
export { RpcError } from "./client/rpc-error.ts";
export {
  PeerTransport,
  type PeerTransportDeps,
  type PeerTransportOptions,
} from "./peer/peer-transport.ts";
