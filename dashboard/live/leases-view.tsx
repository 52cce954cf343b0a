/** The leases of the cluster with their keys and what is left of them. */
import { useState } from "preact/hooks";
import { shownText } from "../api/bytes.ts";
import { useApp, useReadOnly } from "../frame/app.ts";
import { paramOf, routeHref } from "../frame/router.ts";
import { Button } from "../ui/button.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { plural } from "../ui/format.ts";
import { Empty, Failure, Loading } from "../ui/notice.tsx";
import { usePolling } from "../ui/polling.ts";
import { type Lease, listLeases } from "./leases.ts";

const INTERVAL_MS = 2000;
/** Keys of one lease that are named. */
const SHOWN_KEYS = 20;

export function LeasesView() {
  const { api } = useApp();
  const readOnly = useReadOnly();
  const [revoking, setRevoking] = useState<Lease>();
  const [turn, setTurn] = useState(0);
  const { value, error } = usePolling((signal) => listLeases(api, { signal }), INTERVAL_MS, [turn]);
  if (value === undefined) {
    return error === undefined ? <Loading what="Loading leases" /> : <Failure error={error} />;
  }
  const { leases, total } = value;
  return (
    <div class="stack">
      {error !== undefined && <Failure error={error} />}
      {leases.length === 0 && (
        <Empty title="There are no leases">
          A lease is a time to live for keys; see <code>etcdctl lease grant</code>.
        </Empty>
      )}
      {leases.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th>Lease</th>
                <th class="number">Left</th>
                <th class="number">Granted</th>
                <th>Keys</th>
                {!readOnly && (
                  <th>
                    <span class="visually-hidden">Change</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {leases.map((lease) => (
                <tr key={lease.id}>
                  <td class="mono">{lease.id}</td>
                  <td class="number">
                    <meter min={0} max={lease.grantedTtl} value={lease.ttl} aria-hidden="true" />{" "}
                    {lease.ttl} s
                  </td>
                  <td class="number">{lease.grantedTtl} s</td>
                  <td class="mono wrap">
                    <KeyList keys={lease.keys} />
                  </td>
                  {!readOnly && (
                    <td>
                      <Button kind="danger" onClick={() => setRevoking(lease)}>
                        Revoke
                      </Button>
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {total > leases.length && (
        <p class="muted">{plural(total - leases.length, "more lease")}, not shown.</p>
      )}
      {revoking !== undefined && (
        <Confirm
          title={`Revoke lease ${revoking.id}?`}
          action="Revoke"
          run={() => api.call("v3/lease/revoke", { ID: revoking.decimalId })}
          onClose={(done) => {
            setRevoking(undefined);
            if (done) setTurn((last) => last + 1);
          }}
        >
          <p>
            {revoking.keys.length === 0
              ? "No key is attached to it."
              : `This deletes ${plural(revoking.keys.length, "key")}.`}
          </p>
        </Confirm>
      )}
    </div>
  );
}

function KeyList({ keys }: { readonly keys: readonly Uint8Array[] }) {
  if (keys.length === 0) return <span class="muted">none</span>;
  return (
    <ul class="plain">
      {keys.slice(0, SHOWN_KEYS).map((key) => (
        <li key={shownText(key)}>
          <a href={routeHref("keys", { key: paramOf(key) })}>{shownText(key)}</a>
        </li>
      ))}
      {keys.length > SHOWN_KEYS && (
        <li class="muted">and {plural(keys.length - SHOWN_KEYS, "more key")}</li>
      )}
    </ul>
  );
}
