/** The entry of the dashboard: makes what the pages share, and shows them. */
import { render } from "preact";
import { refusalOf } from "./api/api-error.ts";
import { Connection, type Heartbeat } from "./api/connection.ts";
import { EtcdApi } from "./api/etcd-api.ts";
import { Observable } from "./api/observable.ts";
import { Session } from "./api/session.ts";
import { AppContext, type SiteConfig } from "./frame/app.ts";
import { Shell } from "./frame/shell.tsx";
import { applyTheme } from "./frame/theme.ts";
import "./styles/index.css";

/** A member that is slower than this, while six requests at most are on their way, hangs. */
const PROBE_LIMIT_MS = 10_000;
const READ_ONLY = "etcd-dashboard-read-only";
/** The page is served one folder below the member's root. */
const base = new URL("../", document.baseURI).href;

async function start(root: HTMLElement): Promise<void> {
  const answer = await fetch("config.json", { cache: "no-store" });
  const config = (await answer.json()) as SiteConfig;
  const session = new Session(sessionStorage);
  const connection = new Connection({
    probe: () => probe(session),
    after: (ms, run) => {
      setTimeout(run, ms);
    },
    isWatched: () => !document.hidden,
  });
  connection.start();
  const api = new EtcdApi({ fetch: (url, init) => fetch(url, init), base, session, connection });
  const readOnly = new Observable(config.readOnly || localStorage.getItem(READ_ONLY) === "true");
  readOnly.subscribe(() => localStorage.setItem(READ_ONLY, String(readOnly.value)));
  applyTheme();
  render(
    <AppContext.Provider value={{ api, session, connection, config, readOnly }}>
      <Shell />
    </AppContext.Provider>,
    root,
  );
}

/** Past the API: a question of the page's own asks nobody to log in. */
async function probe({ token }: Session): Promise<Heartbeat> {
  const answer = await fetch(`${base}v3/maintenance/status`, {
    ...{ method: "POST", body: "{}", cache: "no-store", credentials: "omit" },
    headers: token === undefined ? {} : { authorization: token },
    signal: AbortSignal.timeout(PROBE_LIMIT_MS),
  });
  // Who may not ask learns that somebody is there.
  if (!answer.ok) {
    const refusal = refusalOf(answer.status, await answer.text());
    if (refusal.kind === "unreachable") throw refusal;
    return { hasLeader: true };
  }
  const { leader = "0" } = (await answer.json()) as { readonly leader?: string };
  return { hasLeader: leader !== "0" };
}

const root = document.getElementById("app");
if (root !== null) void start(root);
