/** Finds ports that processes would fight over, before anything is started. */
import { joinHostPort } from "../../base/port.ts";
import { createServer } from "node:net";
import type { ListenAddress } from "./line-flags.ts";
import type { ProcessPlan } from "./plan.ts";

/** One sentence per collision: within the plans, and with programs that listen already. */
export async function portProblems(plans: readonly ProcessPlan[]): Promise<string[]> {
  const problems: string[] = [];
  const users = new Map<string, string>();
  for (const { name, addresses } of plans) {
    for (const address of addresses) {
      const text = joinHostPort(address.host, address.port);
      const other = users.get(text);
      if (other !== undefined) {
        problems.push(
          other === name ? `${name} names ${text} twice` : `${other} and ${name} both want ${text}`,
        );
        continue;
      }
      users.set(text, name);
      if (await isTaken(address)) problems.push(`${text}, which ${name} wants, is in use`);
    }
  }
  return problems;
}

/** Other troubles, such as a host that is not this machine, are etcd's to tell. */
function isTaken({ host, port }: ListenAddress): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "EADDRINUSE"));
    server.listen({ port, ...(host !== "" && { host }), exclusive: true }, () => {
      server.close(() => resolve(false));
    });
  });
}
