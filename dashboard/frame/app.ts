/** What every page is given: the API, who is logged in, and what the server says of the dashboard. */
import { createContext } from "preact";
import { useCallback, useContext, useEffect, useState } from "preact/hooks";
import { type ApiError, asApiError } from "../api/api-error.ts";
import type { Connection } from "../api/connection.ts";
import type { EtcdApi } from "../api/etcd-api.ts";
import type { Observable } from "../api/observable.ts";
import type { Session } from "../api/session.ts";
import { parseRoute, type Route } from "./router.ts";

/** `config.json` beside the page. */
export interface SiteConfig {
  /** The server was started with `--dashboard-read-only`. */
  readonly readOnly: boolean;
  /** Whoever serves the page may say more. */
  readonly [name: string]: unknown;
}

export interface App {
  readonly api: EtcdApi;
  readonly session: Session;
  readonly connection: Connection;
  readonly config: SiteConfig;
  /** True: pages offer no changes. */
  readonly readOnly: Observable<boolean>;
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === undefined) throw new Error("no App around this component");
  return app;
}

export function useObservable<T>(observable: Observable<T>): T {
  const [value, setValue] = useState(observable.value);
  useEffect(() => {
    setValue(observable.value);
    return observable.subscribe(() => setValue(observable.value));
  }, [observable]);
  return value;
}

export function useReadOnly(): boolean {
  return useObservable(useApp().readOnly);
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const update = (): void => setRoute(parseRoute(location.hash));
    window.addEventListener("hashchange", update);
    return () => window.removeEventListener("hashchange", update);
  }, []);
  return route;
}

export type Loaded<T> =
  | { readonly kind: "loading"; readonly last?: T | undefined }
  | { readonly kind: "ready"; readonly value: T }
  | { readonly kind: "failed"; readonly error: ApiError; readonly last?: T | undefined };

/** What is loaded, or was before. */
export function lastOf<T>(loaded: Loaded<T>): T | undefined {
  return loaded.kind === "ready" ? loaded.value : loaded.last;
}

/**
 * Loads when the component appears, when `inputs` change, and again after a login or when a member
 * that was away is back. What is no longer wanted is aborted.
 */
export function useLoad<T>(
  load: (signal: AbortSignal) => Promise<T>,
  inputs: readonly unknown[],
): readonly [Loaded<T>, reload: () => void] {
  const { session, connection } = useApp();
  const { generation } = useObservable(connection.state);
  const { token = "" } = tokenOf(useObservable(session.state));
  const [turn, setTurn] = useState(0);
  const [loaded, setLoaded] = useState<Loaded<T>>({ kind: "loading" });
  useEffect(() => {
    const controller = new AbortController();
    setLoaded((before) => ({ kind: "loading", last: lastOf(before) }));
    load(controller.signal).then(
      (value) => {
        if (!controller.signal.aborted) setLoaded({ kind: "ready", value });
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        setLoaded((before) => ({ kind: "failed", error: asApiError(error), last: lastOf(before) }));
      },
    );
    return () => controller.abort();
  }, [...inputs, generation, token, turn]);
  const reload = useCallback(() => setTurn((last) => last + 1), []);
  return [loaded, reload];
}

function tokenOf(state: Session["state"]["value"]): { readonly token?: string } {
  return state.kind === "user" ? state : {};
}
