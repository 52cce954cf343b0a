/** The address of the discovery service: HTTP or HTTPS, with the limits of a public one. */
import { joinHostPort } from "../../base/port.ts";
import { createServer, type Server, type ServerOptions } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { EtcdUrl } from "../../base/etcd-url.ts";
import { MAX_CONNECTIONS, RECEIVE_TIMEOUT_MS } from "./limits.ts";
import type { DiscoveryService } from "./discovery-service.ts";

/** PEM texts of a listener with TLS. */
export interface ServiceCertificates {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** When given, clients must show a certificate of one of these. */
  readonly clientAuthorities: readonly string[] | undefined;
}

export interface RunningService {
  /** With the port that was chosen, when 0 was asked for. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Rejects when the address cannot be bound. */
export async function serveDiscovery(
  url: EtcdUrl,
  certificates: ServiceCertificates | undefined,
  service: DiscoveryService,
): Promise<RunningService> {
  const server = makeServer(certificates);
  server.maxConnections = MAX_CONNECTIONS;
  server.on("request", (request, response) => void service.handle(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: url.hostname, port: url.port }, resolve);
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : url.port;
  return {
    url: `${url.scheme}://${joinHostPort(url.hostname, port)}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function makeServer(certificates: ServiceCertificates | undefined): Server {
  const limits: ServerOptions = {
    headersTimeout: RECEIVE_TIMEOUT_MS,
    requestTimeout: RECEIVE_TIMEOUT_MS,
    connectionsCheckingInterval: 1000,
  };
  if (certificates === undefined) return createServer(limits);
  const { cert, key, clientAuthorities } = certificates;
  return createSecureServer({
    ...limits,
    cert,
    key,
    minVersion: "TLSv1.2",
    handshakeTimeout: RECEIVE_TIMEOUT_MS,
    ...(clientAuthorities && {
      ca: [...clientAuthorities],
      requestCert: true,
      rejectUnauthorized: true,
    }),
  });
}
