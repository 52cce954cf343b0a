/**
 * Whether the member answers. When it does not, it is asked again and again until it does; pages
 * load anew when `generation` changes.
 */
import { Observable } from "./observable.ts";

export type ConnectionState =
  | { readonly kind: "up"; readonly generation: number }
  | { readonly kind: "down"; readonly generation: number };

/** Between two questions to a member that is away: soon at first, then with patience. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5000;

export interface ConnectionDeps {
  /** Resolves when the member answers anything at all, rejects when it does not. */
  readonly probe: () => Promise<void>;
  readonly after: (ms: number, run: () => void) => void;
}

export class Connection {
  readonly state = new Observable<ConnectionState>({ kind: "up", generation: 0 });
  readonly #deps: ConnectionDeps;

  constructor(deps: ConnectionDeps) {
    this.#deps = deps;
  }

  /** A request found nobody. */
  lost(): void {
    const { kind, generation } = this.state.value;
    if (kind === "down") return;
    this.state.set({ kind: "down", generation });
    this.#retry(FIRST_RETRY_MS);
  }

  #retry(ms: number): void {
    this.#deps.after(ms, () => {
      this.#deps.probe().then(
        () => this.state.set({ kind: "up", generation: this.state.value.generation + 1 }),
        () => this.#retry(Math.min(ms * 1.5, MAX_RETRY_MS)),
      );
    });
  }
}
