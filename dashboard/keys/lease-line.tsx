/** The lease of a key, and how long it still lives, counted down. */
import { useEffect, useState } from "preact/hooks";
import { useApp } from "../frame/app.ts";
import { type LeaseTime, leaseText, leaseTime } from "./write.ts";

/** Between two questions to the member; the seconds between are counted here. */
const ASK_EVERY_SECONDS = 5;

export function LeaseLine({ lease }: { readonly lease: string }) {
  const { api } = useApp();
  const [time, setTime] = useState<LeaseTime>();
  const [passed, setPassed] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    const ask = (): void => {
      leaseTime(api, lease, controller.signal).then(
        (answer) => {
          setTime(answer);
          setPassed(0);
        },
        () => undefined,
      );
    };
    ask();
    let seconds = 0;
    const timer = setInterval(() => {
      seconds++;
      setPassed((last) => last + 1);
      if (seconds % ASK_EVERY_SECONDS === 0) ask();
    }, 1000);
    return () => {
      controller.abort();
      clearInterval(timer);
    };
  }, [api, lease]);
  return (
    <>
      <span class="mono">{leaseText(lease)}</span>
      {time !== undefined && <span class="badge">{wordsOf(time, passed)}</span>}
    </>
  );
}

function wordsOf({ ttl, granted }: LeaseTime, passed: number): string {
  if (ttl < 0) return "expired";
  return `${Math.max(0, ttl - passed)} s of ${granted} s left`;
}
