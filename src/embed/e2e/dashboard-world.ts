/** A member with the dashboard, and how its pages ask it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { formatID } from "../../base/ids.ts";
import { MemoryLogger } from "../../env/testing/memory-logger.ts";
import { createConfig, startEtcd } from "../index.ts";

interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface DashboardMember {
  readonly url: string;
  /** In hexadecimal. */
  readonly id: string;
  /** A path behind /dashboard/api/. */
  readonly get: (
    path: string,
    token?: string,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Answer>;
  readonly post: (path: string, body: object, token?: string) => Promise<Answer>;
}

export async function startMember(
  t: TestContext,
  enableDashboard = true,
): Promise<DashboardMember> {
  const directory = mkdtempSync(join(tmpdir(), "dashboard-api-"));
  const anyPort = ["http://127.0.0.1:0"];
  const config = createConfig({
    ...{ name: "m0", dataDir: join(directory, "data"), enableDashboard },
    ...{ listenClientUrls: anyPort, listenPeerUrls: anyPort, bcryptCost: 4 },
  });
  const etcd = await startEtcd(config, { logger: new MemoryLogger() });
  t.after(async () => {
    await etcd.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  await etcd.ready;
  const [url = ""] = etcd.clientAddresses;
  const ask = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(url + path, { ...init, redirect: "manual" });
    return { status: response.status, body: await response.text() };
  };
  const login = (token: string | undefined) =>
    token === undefined ? {} : { authorization: token };
  return {
    url,
    id: formatID(etcd.memberID),
    get: (path, token, headers = {}) =>
      ask(`/dashboard/api/${path}`, { headers: { ...headers, ...login(token) } }),
    post: (path, body, token) =>
      ask(path, { method: "POST", body: JSON.stringify(body), headers: login(token) }),
  };
}
