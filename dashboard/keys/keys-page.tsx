/** All keys, as a list. */
import { shownText } from "../api/bytes.ts";
import { prefixRange, range } from "../api/kv.ts";
import { useApp, useLoad } from "../frame/app.ts";
import { Button } from "../ui/button.tsx";
import { Empty, Failure, Loading } from "../ui/notice.tsx";

const PAGE_KEYS = 100;

export function KeysPage() {
  const { api } = useApp();
  const [loaded, reload] = useLoad(
    (signal) =>
      range(
        api,
        { ...prefixRange(new Uint8Array(0)), limit: PAGE_KEYS, keysOnly: true },
        { signal },
      ),
    [],
  );
  if (loaded.kind === "loading") return <Loading what="Loading keys" />;
  if (loaded.kind === "failed") return <Failure error={loaded.error} onRetry={reload} />;
  const { kvs } = loaded.value;
  return (
    <>
      <Button onClick={reload}>Refresh</Button>
      {kvs.length === 0 && <Empty title="There are no keys yet" />}
      <ul class="plain mono">
        {kvs.map(({ key }) => (
          <li key={shownText(key)}>{shownText(key)}</li>
        ))}
      </ul>
    </>
  );
}
