/**
 * Who uses the pages. The token lives in this tab alone (sessionStorage: gone when the tab is
 * closed), a password nowhere.
 */
import { Observable } from "./observable.ts";

export type SessionState =
  | { readonly kind: "anonymous" }
  | { readonly kind: "user"; readonly user: string; readonly token: string }
  /** A request was refused for want of a login; `reason` says why, `user` who it was. */
  | { readonly kind: "login"; readonly user: string; readonly reason: string };

/** The part of `Storage` that is needed. */
export interface TokenStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const KEY = "etcd-dashboard-session";

export class Session {
  readonly state: Observable<SessionState>;
  readonly #store: TokenStore;

  constructor(store: TokenStore) {
    this.#store = store;
    this.state = new Observable(restored(store));
  }

  get token(): string | undefined {
    const state = this.state.value;
    return state.kind === "user" ? state.token : undefined;
  }

  get user(): string {
    const state = this.state.value;
    return state.kind === "anonymous" ? "" : state.user;
  }

  loggedIn(user: string, token: string): void {
    this.#store.setItem(KEY, JSON.stringify({ user, token }));
    this.state.set({ kind: "user", user, token });
  }

  /** The server wants a login. `token` is the one that it did not take; a newer one stays. */
  refused(token: string | undefined): void {
    if (token !== this.token || this.state.value.kind === "login") return;
    const { user } = this;
    this.#store.removeItem(KEY);
    const reason = user === "" ? "This cluster asks who you are." : "Your login has ended.";
    this.state.set({ kind: "login", user, reason });
  }

  logOut(): void {
    this.#store.removeItem(KEY);
    this.state.set({ kind: "login", user: "", reason: "You are logged out." });
  }

  /** Goes on without a login: authentication was turned off. */
  forget(): void {
    this.#store.removeItem(KEY);
    this.state.set({ kind: "anonymous" });
  }
}

function restored(store: TokenStore): SessionState {
  try {
    const { user, token } = JSON.parse(store.getItem(KEY) ?? "") as Record<string, unknown>;
    if (typeof user === "string" && typeof token === "string") return { kind: "user", user, token };
  } catch {
    // Nothing is kept, or nothing that could be used.
  }
  return { kind: "anonymous" };
}
