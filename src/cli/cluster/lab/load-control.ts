/** The load of a launcher: none, or one. */
import { EtcdClient } from "../../../client/index.ts";
import type { ProcessPlan } from "../plan.ts";
import { Load, type LoadDeps, type LoadReport, type Reads } from "./load.ts";

export class LoadControl {
  readonly #plans: readonly ProcessPlan[];
  readonly #deps: Omit<LoadDeps, "name">;
  #load: Load | undefined;

  constructor(plans: readonly ProcessPlan[], deps: Omit<LoadDeps, "name">) {
    this.#plans = plans;
    this.#deps = deps;
  }

  /** Undefined while no load runs. */
  get report(): LoadReport | undefined {
    return this.#load?.report();
  }

  /** Instead of the one before. @throws Error when nobody says where it answers clients. */
  async start(reads: Reads): Promise<void> {
    const targets = this.#plans.flatMap(({ name, endpoint }) =>
      endpoint === undefined ? [] : [{ process: name, client: clientOf(endpoint) }],
    );
    if (targets.length === 0) {
      throw new Error("no process says where it answers clients (--listen-client-urls)");
    }
    await this.stop();
    const name = this.#deps.clock.wallMs().toString(36);
    this.#load = new Load(reads, targets, { ...this.#deps, name });
    this.#load.start();
  }

  async stop(): Promise<void> {
    const load = this.#load;
    this.#load = undefined;
    await load?.stop();
  }
}

/** One member alone; each call once, so that what is recorded is what was sent. */
function clientOf(endpoint: string): EtcdClient {
  return new EtcdClient({
    endpoints: endpoint,
    maxAttempts: 1,
    backoffMs: 20,
    maxBackoffMs: 200,
    // The launcher's own processes.
    ...(endpoint.startsWith("https:") && { tls: { insecureSkipVerify: true } }),
  });
}
