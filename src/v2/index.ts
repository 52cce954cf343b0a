/** The v2 API of etcd up to 3.5, on the client listeners of a member: what is mounted there. */
import type { HttpRequest, HttpResponse } from "../env/http.ts";
import type { Mount, MountHandler } from "../gateway/index.ts";
import { Access } from "./access.ts";
import { AUTH_PREFIX, AuthHandler } from "./auth-handler.ts";
import { V2AuthStore } from "./auth-store.ts";
import type { V2Backend } from "./backend.ts";
import { KEYS_PREFIX, KeysHandler } from "./keys.ts";
import { MEMBERS_PREFIX, MembersHandler, serveMachines } from "./members.ts";
import { serveStats } from "./stats.ts";

export type { V2Backend, V2Keys, V2Members } from "./backend.ts";
export { V3Keys } from "./over-v3/v3-keys.ts";

type AsyncHandler = (path: string, request: HttpRequest, response: HttpResponse) => Promise<void>;

export function v2Mounts(backend: V2Backend): readonly Mount[] {
  const users = new V2AuthStore(backend);
  const access = new Access(backend, users);
  const keys = new KeysHandler(backend, access);
  const members = new MembersHandler(backend, access);
  const auth = new AuthHandler(backend, users, access);
  const serve = (handler: AsyncHandler): MountHandler => supervised(backend, handler);
  const serveKeys = serve((path, request, response) => keys.serve(path, request, response));
  const serveMembers = serve((path, request, response) => members.serve(path, request, response));
  return [
    [KEYS_PREFIX, serveKeys],
    [`${KEYS_PREFIX}/`, serveKeys],
    [MEMBERS_PREFIX, serveMembers],
    [`${MEMBERS_PREFIX}/`, serveMembers],
    ["/v2/machines", (_path, request, response) => serveMachines(backend, request, response)],
    ...serveStats(backend),
    ...["/enable", "/users", "/users/", "/roles", "/roles/"].map(
      (path): Mount => [
        AUTH_PREFIX + path,
        serve((cleanPath, request, response) => auth.serve(cleanPath, request, response)),
      ],
    ),
  ];
}

/** A client that broke off gets no answer, and whatever else went wrong is told. */
function supervised({ logger }: V2Backend, handler: AsyncHandler): MountHandler {
  return (path, request, response) => {
    handler(path, request, response).catch((error: unknown) => {
      if (response.closed) return;
      logger.warn("failed to serve a v2 request", { path, remote: request.remote, error });
      response.abort();
    });
  };
}
