/** `etcdctl lease ...`. */
import { LeaseRevokeRequest } from "../../../api/gen/rpc.ts";
import { METHODS, EtcdClientError, isErrorKind } from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { formatLeaseID, parseInt64 } from "../../../base/go-number.ts";
import { grantView, keepAliveView, leasesView, revokeView, timeToLiveView } from "../lease-view.ts";
import { leaseIDFrom, safeNumber } from "../numbers.ts";
import { errorText, openSession } from "../session.ts";
import { formatOf, show } from "../view.ts";

export async function leaseGrant(call: Invocation): Promise<void> {
  const { args } = call;
  if (args.length !== 1) {
    exitWithError(ExitCode.BAD_ARGS, "lease grant command needs TTL argument");
  }
  const ttl = parseInt64(args[0] ?? "", 10);
  if ("error" in ttl) exitWithError(ExitCode.BAD_ARGS, `bad TTL (${ttl.error})`);
  const session = await openSession(call);
  const response = await session.must(
    "Lease/LeaseGrant",
    session.client.lease.grant(safeNumber(ttl.value), session.bounded),
    ExitCode.ERROR,
    (message) => `failed to grant lease (${message})`,
  );
  show(call, grantView(response));
}

export async function leaseRevoke(call: Invocation): Promise<void> {
  const { args } = call;
  if (args.length !== 1) {
    exitWithError(ExitCode.BAD_ARGS, "lease revoke command needs 1 argument");
  }
  const id = leaseIDFrom(args[0] ?? "");
  const session = await openSession(call);
  const request = LeaseRevokeRequest.create({ ID: id });
  const response = await session.must(
    "Lease/LeaseRevoke",
    session.client.call(METHODS.leaseRevoke, request, session.bounded),
    ExitCode.ERROR,
    (message) => `failed to revoke lease (${message})`,
  );
  show(call, revokeView(id, response));
}

export async function leaseTimeToLive(call: Invocation): Promise<void> {
  const { args, flags } = call;
  if (args.length !== 1) {
    exitWithError(ExitCode.BAD_ARGS, "lease timetolive command needs lease ID as argument");
  }
  const session = await openSession(call);
  const id = leaseIDFrom(args[0] ?? "");
  const keys = flags.bool("keys");
  const response = await session.must(
    "Lease/LeaseTimeToLive",
    session.client.lease.timeToLive(id, { ...session.bounded, keys }),
    ExitCode.BAD_CONNECTION,
  );
  show(call, timeToLiveView(response, keys));
}

export async function leaseList(call: Invocation): Promise<void> {
  const session = await openSession(call);
  const response = await session.must(
    "Lease/LeaseLeases",
    session.client.lease.leases(session.bounded),
    ExitCode.BAD_CONNECTION,
  );
  show(call, leasesView(response));
}

export async function leaseKeepAlive(call: Invocation): Promise<void> {
  const { args, flags, io } = call;
  if (args.length !== 1) {
    exitWithError(ExitCode.BAD_ARGS, "lease keep-alive command needs lease ID as argument");
  }
  const id = leaseIDFrom(args[0] ?? "");
  const { client, bounded } = await openSession(call);
  try {
    if (flags.bool("once")) {
      show(call, keepAliveView(await client.lease.keepAliveOnce(id, bounded)));
      return;
    }
    for await (const renewed of client.lease.keepAlive(id)) show(call, keepAliveView(renewed));
  } catch (error) {
    if (!(error instanceof EtcdClientError)) throw error;
    if (!isErrorKind(error, "leaseLost")) exitWithError(ExitCode.BAD_CONNECTION, errorText(error));
  }
  if (formatOf(call) === "simple") io.out(`lease ${formatLeaseID(id)} expired or revoked.\n`);
}
