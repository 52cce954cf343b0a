/**
 * Runs `run` while the page is in sight, anew each time: a stream of a page that nobody sees would
 * hold one of the six connections that a browser makes to a member without TLS, and six such pages
 * would keep all others waiting. Returns how to end it.
 */
export function whileShown(run: (signal: AbortSignal) => void): () => void {
  let controller: AbortController | undefined;
  const update = (): void => {
    if (document.hidden) {
      controller?.abort();
      controller = undefined;
    } else if (controller === undefined) {
      controller = new AbortController();
      run(controller.signal);
    }
  };
  document.addEventListener("visibilitychange", update);
  update();
  return () => {
    document.removeEventListener("visibilitychange", update);
    controller?.abort();
  };
}
