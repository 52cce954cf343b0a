/** `etcdctl defrag`: one endpoint after the other. */
import { EtcdClientError } from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { CliExit, ExitCode } from "../../framework/exit.ts";
import { formatDuration } from "../../../base/go-text.ts";
import { errorText, openForEach, sessionAt } from "../session.ts";

export async function defrag(call: Invocation): Promise<void> {
  const { io } = call;
  const { session, endpoints } = await openForEach(call);
  let failures = 0;
  for (const endpoint of endpoints) {
    const own = sessionAt(session, endpoint);
    const begun = io.clock.nowMs();
    const took = (): string => formatDuration(io.clock.nowMs() - begun);
    try {
      await own.client.maintenance.defragment(own.bounded);
      io.out(`Finished defragmenting etcd member[${endpoint}]. took ${took()}\n`);
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      failures++;
      own.logFailure("Maintenance/Defragment", error);
      io.err(
        `Failed to defragment etcd member[${endpoint}]. took ${took()}. (${errorText(error)})\n`,
      );
    }
    own.client.close();
  }
  if (failures > 0) throw new CliExit(ExitCode.ERROR);
}
