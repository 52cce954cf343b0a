/** `cluster-health`: asks every member for its health on the addresses that it published. */
import { errorMessage } from "../../base/error-message.ts";
import { sleep } from "../../env/sleep.ts";
import { CliExit } from "../framework/exit.ts";
import { quote } from "../../base/go-quote.ts";
import type { Action } from "./actions.ts";
import { escapePath, parseAddress } from "./address.ts";
import { ClientError } from "./errors.ts";
import { parseGoJson } from "./go-json-error.ts";
import { type Member, MembersApi } from "./members-api.ts";
import { type Session, V2Exit } from "./session.ts";
import type { Transport } from "./transport.ts";

const CHECK_INTERVAL_MS = 10_000;

export const clusterHealth: Action = async (session) => {
  const isForever = session.flags.bool("forever");
  if (isForever) process.on("SIGINT", () => process.exit(0));
  const transport = openTransport(session);
  const members = await listMembers(session);
  for (;;) {
    const healthy = await countHealthy(session, transport, members);
    const isWhole = healthy === members.length;
    const state = isWhole ? "healthy" : healthy === 0 ? "unavailable" : "degraded";
    session.io.out(`cluster is ${state}\n`);
    if (!isForever) {
      if (isWhole) return;
      throw new CliExit(V2Exit.CLUSTER_NOT_HEALTHY);
    }
    session.io.out("\nnext check after 10 second...\n\n");
    await sleep(session.io.clock, CHECK_INTERVAL_MS);
  }
};

function openTransport(session: Session): Transport {
  try {
    return session.newTransport();
  } catch (error) {
    return session.fail(V2Exit.SERVER_ERROR, error);
  }
}

async function listMembers(session: Session): Promise<readonly Member[]> {
  const client = await session.unsyncedClient();
  session.tellEndpoints(client);
  try {
    return await new MembersApi(client).list(undefined);
  } catch (error) {
    session.io.out("cluster may be unhealthy: failed to list members\n");
    return session.fail(V2Exit.SERVER_ERROR, error);
  }
}

async function countHealthy(
  session: Session,
  transport: Transport,
  members: readonly Member[],
): Promise<number> {
  let healthy = 0;
  for (const member of members) {
    if (await isHealthy(session, transport, member)) healthy++;
  }
  return healthy;
}

/** The first address that answers decides. */
async function isHealthy(
  { io }: Session,
  transport: Transport,
  { id, clientURLs }: Member,
): Promise<boolean> {
  if (clientURLs.length === 0) {
    io.out(`member ${id} is unreachable: no available published client urls\n`);
    return false;
  }
  for (const url of clientURLs) {
    try {
      const health = await askHealth(transport, url);
      const state = health ? "healthy" : "unhealthy";
      io.out(`member ${id} is ${state}: got ${state} result from ${url}\n`);
      return health;
    } catch (error) {
      io.out(`failed to check the health of member ${id} on ${url}: ${errorMessage(error)}\n`);
    }
  }
  io.out(`member ${id} is unreachable: [${clientURLs.join(" ")}] are all unreachable\n`);
  return false;
}

/** Old members tell a text, older ones a boolean. */
async function askHealth(transport: Transport, url: string): Promise<boolean> {
  const parsed = parseAddress(url);
  if ("error" in parsed) throw new ClientError(parsed.error);
  const request = {
    method: "GET",
    target: escapePath(`${parsed.address.path}/health`),
    headers: {},
  };
  const options = { headerTimeoutMs: 0, signal: undefined };
  const answer = await transport.send(parsed.address, request, options).catch((error: unknown) => {
    throw new ClientError(`Get ${quote(`${url}/health`)}: ${errorMessage(error)}`);
  });
  const { health } = parseGoJson(answer.body.toString("utf8"));
  return health === "true" || health === true;
}
