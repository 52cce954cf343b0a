/** The entry of the dashboard: makes what the pages share, and shows them. */
import { render } from "preact";
import { Connection } from "./api/connection.ts";
import { EtcdApi } from "./api/etcd-api.ts";
import { Observable } from "./api/observable.ts";
import { Session } from "./api/session.ts";
import { AppContext, type SiteConfig } from "./frame/app.ts";
import { Shell } from "./frame/shell.tsx";
import { applyTheme } from "./frame/theme.ts";
import "./styles/index.css";

const READ_ONLY = "etcd-dashboard-read-only";
/** The page is served one folder below the member's root. */
const base = new URL("../", document.baseURI).href;

async function start(root: HTMLElement): Promise<void> {
  const answer = await fetch("config.json", { cache: "no-store" });
  const config = (await answer.json()) as SiteConfig;
  const session = new Session(sessionStorage);
  const connection = new Connection({
    probe: async () => {
      await fetch(`${base}version`, { cache: "no-store" });
    },
    after: (ms, run) => {
      setTimeout(run, ms);
    },
  });
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

const root = document.getElementById("app");
if (root !== null) void start(root);
