/** Who watches what at a member, and how far each stream is behind. */
import { fromBase64, shownText } from "../api/bytes.ts";
import { type Member, nameOf, pathAt } from "../api/members.ts";
import { useApp } from "../frame/app.ts";
import { bytesText, countText, plural } from "../ui/format.ts";
import { Empty, Failure, Loading } from "../ui/notice.tsx";
import { usePolling } from "../ui/polling.ts";

const INTERVAL_MS = 2000;

interface WatchJson {
  readonly id: number;
  readonly begin: string;
  readonly end: string;
  readonly state: string;
  readonly behind: number;
}

interface StreamJson {
  readonly id: number;
  readonly client: string;
  readonly user?: string;
  readonly viaGateway: boolean;
  readonly watches: number;
  readonly eventsSent: number;
  readonly queuedBytes: number;
  readonly congested: boolean;
  readonly lagging: number;
  readonly behind: number;
  readonly first: readonly WatchJson[];
}

interface ReportJson {
  readonly streams: number;
  readonly watches: number;
  readonly lagging: number;
  readonly shown: readonly StreamJson[];
}

export function WatchersView(props: { readonly self: string; readonly member: Member }) {
  const { api } = useApp();
  const { self, member } = props;
  const path = pathAt(self, member.id, "dashboard/api/watchers");
  const { value, error } = usePolling(
    (signal) => api.get<ReportJson>(path, { signal }),
    INTERVAL_MS,
    [path],
  );
  if (value === undefined) {
    return error === undefined ? <Loading what="Loading watchers" /> : <Failure error={error} />;
  }
  const { streams, watches, lagging, shown } = value;
  if (watches === 0) return <Empty title={`Nobody watches at ${nameOf(member)}`} />;
  return (
    <div class="stack">
      {error !== undefined && <Failure error={error} />}
      <p>
        {plural(watches, "watch", "watches")} in {plural(streams, "stream")},{" "}
        {lagging === 0 ? "all up to date" : `${countText(lagging)} behind`}.
      </p>
      <div class="table-box">
        <table class="table">
          <thead>
            <tr>
              <th>Client</th>
              <th>User</th>
              <th class="number">Watches</th>
              <th class="number">Events sent</th>
              <th class="number">Queued</th>
              <th class="number">Behind</th>
              <th>Keys</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((stream) => (
              <tr key={stream.id}>
                <td class="mono nowrap">
                  {stream.client}
                  {stream.viaGateway && <span class="badge">JSON</span>}
                </td>
                <td>{stream.user ?? <span class="muted">–</span>}</td>
                <td class="number">{countText(stream.watches)}</td>
                <td class="number">{countText(stream.eventsSent)}</td>
                <td class="number">
                  {bytesText(stream.queuedBytes)}
                  {stream.congested && <span class="badge badge-danger">slow reader</span>}
                </td>
                <td class="number">
                  {stream.behind === 0 ? "0" : plural(stream.behind, "revision")}
                </td>
                <td class="mono wrap">
                  <Ranges stream={stream} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {streams > shown.length && (
        <p class="muted">{plural(streams - shown.length, "more stream")}, not shown.</p>
      )}
    </div>
  );
}

function Ranges({ stream }: { readonly stream: StreamJson }) {
  const { first, watches } = stream;
  return (
    <ul class="plain">
      {first.map((watch) => (
        <li key={watch.id}>
          {rangeText(watch.begin, watch.end)}
          {watch.behind > 0 && <span class="badge badge-danger">{watch.state}</span>}
        </li>
      ))}
      {watches > first.length && (
        <li class="muted">and {countText(watches - first.length)} more</li>
      )}
    </ul>
  );
}

/** As the server sees it: [begin, end), "" without an end. */
function rangeText(begin: string, end: string): string {
  const [from, to] = [atob(begin), atob(end)];
  const shown = shownText(fromBase64(begin));
  if (to === `${from}\0`) return shown;
  if (to === "") return from === "\0" ? "all keys" : `${shown} and all behind it`;
  const last = from.charCodeAt(from.length - 1);
  const isPrefix = to === from.slice(0, -1) + String.fromCharCode(last + 1);
  return isPrefix ? `${shown}*` : `${shown} up to ${shownText(fromBase64(end))}`;
}
