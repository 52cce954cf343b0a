/** The launcher's state in a page: asked several times a second, kept within bounds. */
import { useEffect, useRef, useState } from "preact/hooks";
import { thinned, type TimelineEvent } from "../../src/cli/cluster/lab/timeline.ts";
import { askState, type LabState } from "./lab-api.ts";

const ASK_INTERVAL_MS = 250;
/** What a page keeps; older events give way. */
const KEPT_EVENTS = 12_000;
/** What members report is some time under way; the picture ends before it. */
const REPORT_DELAY_MS = 450;

export interface Lab {
  /** Undefined before the first answer. */
  readonly state: LabState | undefined;
  readonly events: readonly TimelineEvent[];
  /** Why the launcher does not answer; undefined when it does. */
  readonly problem: string | undefined;
  /** On the launcher's clock, up to which everything is known. */
  readonly nowMs: () => number;
}

export function useLab(secret: string): Lab {
  const [state, setState] = useState<LabState>();
  const [problem, setProblem] = useState<string>();
  const events = useRef<readonly TimelineEvent[]>([]);
  const offsetMs = useRef(0);
  useEffect(() => {
    let isOver = false;
    let timer = 0;
    const ask = async (): Promise<void> => {
      try {
        const next = await askState(secret, events.current.at(-1)?.number ?? 0);
        offsetMs.current = next.nowMs - performance.now();
        events.current = thinned([...events.current, ...next.events], KEPT_EVENTS);
        if (!isOver) setState(next);
        if (!isOver) setProblem(undefined);
      } catch (error) {
        if (!isOver) setProblem(error instanceof Error ? error.message : String(error));
      }
      if (!isOver) timer = window.setTimeout(() => void ask(), ASK_INTERVAL_MS);
    };
    void ask();
    return () => {
      isOver = true;
      window.clearTimeout(timer);
    };
  }, [secret]);
  const nowMs = (): number => performance.now() + offsetMs.current - REPORT_DELAY_MS;
  return { state, events: events.current, problem, nowMs };
}
