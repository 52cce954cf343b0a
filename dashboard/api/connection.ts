/**
 * Whether the member answers, and whether it knows a leader. It is asked now and then while somebody
 * looks: a member that hangs refuses nothing, and a page that asks nothing would never hear of it.
 * While it does not answer it is asked again and again; pages load anew when `generation` changes.
 */
import { Observable } from "./observable.ts";

export type ConnectionState =
  | { readonly kind: "up"; readonly generation: number; readonly hasLeader: boolean }
  | { readonly kind: "down"; readonly generation: number };

export interface Heartbeat {
  readonly hasLeader: boolean;
}

/** Between two questions to a member that answers. */
const BEAT_MS = 5000;
/** Between two questions to a member that is away: soon at first, then with patience. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5000;

export interface ConnectionDeps {
  /** Resolves when the member answers anything at all; rejects when it does not, or not in time. */
  readonly probe: () => Promise<Heartbeat>;
  readonly after: (ms: number, run: () => void) => void;
  readonly isWatched: () => boolean;
}

export class Connection {
  readonly state = new Observable<ConnectionState>({ kind: "up", generation: 0, hasLeader: true });
  readonly #deps: ConnectionDeps;

  constructor(deps: ConnectionDeps) {
    this.#deps = deps;
  }

  /** Begins to ask by itself, for good. */
  start(): void {
    this.#deps.after(BEAT_MS, () => void this.#beat());
  }

  /** A request found nobody. */
  lost(): void {
    const { kind, generation } = this.state.value;
    if (kind === "down") return;
    this.state.set({ kind: "down", generation });
    this.#retry(FIRST_RETRY_MS);
  }

  /** Never rejects. */
  async #beat(): Promise<void> {
    const { probe, isWatched } = this.#deps;
    if (this.state.value.kind === "up" && isWatched()) {
      try {
        this.#heard(await probe());
      } catch {
        this.lost();
      }
    }
    this.start();
  }

  #heard({ hasLeader }: Heartbeat): void {
    const { value } = this.state;
    if (value.kind === "down" || value.hasLeader === hasLeader) return;
    // What failed for want of a leader is asked again.
    const generation = value.generation + (hasLeader ? 1 : 0);
    this.state.set({ kind: "up", generation, hasLeader });
  }

  #retry(ms: number): void {
    this.#deps.after(ms, () => {
      this.#deps.probe().then(
        ({ hasLeader }) => {
          const generation = this.state.value.generation + 1;
          this.state.set({ kind: "up", generation, hasLeader });
        },
        () => this.#retry(Math.min(ms * 1.5, MAX_RETRY_MS)),
      );
    });
  }
}
