/** What a page asks again and again, while somebody looks at it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type ApiError, asApiError } from "../api/api-error.ts";
import { useApp, useObservable } from "../frame/app.ts";

export interface Polled<T> {
  /** The last answer; stays while a later one fails. */
  readonly value: T | undefined;
  readonly error: ApiError | undefined;
}

/** Asks, waits `intervalMs`, asks again; pauses while the tab is hidden. */
export function usePolling<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  intervalMs: number,
  inputs: readonly unknown[],
): Polled<T> {
  const { session, connection } = useApp();
  const login = useObservable(session.state);
  const { generation } = useObservable(connection.state);
  const asked = useRef<readonly unknown[]>([]);
  const [polled, setPolled] = useState<Polled<T>>({ value: undefined, error: undefined });
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    // When the member is back the same is shown on; for another question or user it is forgotten.
    const question = [...inputs, login];
    const isSame = question.every((each, i) => Object.is(each, asked.current[i]));
    asked.current = question;
    if (!isSame) setPolled({ value: undefined, error: undefined });
    const run = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          const value = await ask(signal);
          if (!signal.aborted) setPolled({ value, error: undefined });
        } catch (error) {
          if (signal.aborted) return;
          setPolled((last) => ({ ...last, error: asApiError(error) }));
        }
        await pause(intervalMs, signal);
      }
    };
    void run();
    return () => controller.abort();
  }, [...inputs, generation, login]);
  return polled;
}

/** Also until the tab is shown again. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      if (document.hidden && !signal.aborted) return;
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      document.removeEventListener("visibilitychange", onShown);
      resolve();
    };
    const onShown = (): void => {
      if (isOver) end();
    };
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      end();
    }, ms);
    signal.addEventListener("abort", end);
    document.addEventListener("visibilitychange", onShown);
  });
}
