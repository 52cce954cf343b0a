/** Around every page: navigation, who is logged in, switches, and what is wrong with the member. */
import { useEffect } from "preact/hooks";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/notice.tsx";
import { useApp, useObservable, useRoute } from "./app.ts";
import { Login } from "./login.tsx";
import { PAGES, type Page } from "./pages.ts";
import { routeHref } from "./router.ts";
import { nextTheme, theme } from "./theme.ts";

export function Shell() {
  const { config } = useApp();
  const route = useRoute();
  const pages = PAGES.filter(({ available }) => available?.(config) ?? true);
  const page = route.page === "" ? pages[0] : pages.find(({ id }) => id === route.page);
  useEffect(() => {
    document.title = page === undefined ? "etcd" : `${page.title} · etcd`;
  }, [page]);
  return (
    <>
      <button type="button" class="button skip-link" onClick={focusContent}>
        Skip to content
      </button>
      <header class="header">
        <a class="brand" href={routeHref("")}>
          etcd
        </a>
        <Navigation pages={pages} current={page} />
        <Switches />
      </header>
      <Banner />
      <main id="content" class="content" tabIndex={-1}>
        {page === undefined ? (
          <Empty title="There is no such page">
            <a href={routeHref("")}>To the first page</a>
          </Empty>
        ) : (
          <page.component key={page.id} route={route} />
        )}
      </main>
      <LoginWhenAsked />
    </>
  );
}

/** No link: the part of the address behind "#" is the route's. */
function focusContent(): void {
  document.getElementById("content")?.focus();
}

function Navigation(props: {
  readonly pages: readonly Page[];
  readonly current?: Page | undefined;
}) {
  return (
    <nav class="nav" aria-label="Pages">
      {props.pages.map((page) => (
        <a
          key={page.id}
          class="nav-link"
          href={routeHref(page.id)}
          aria-current={page === props.current ? "page" : undefined}
        >
          {page.title}
        </a>
      ))}
    </nav>
  );
}

function Switches() {
  const { config, readOnly, session } = useApp();
  const isReadOnly = useObservable(readOnly);
  const current = useObservable(theme);
  const state = useObservable(session.state);
  return (
    <div class="switches">
      {state.kind === "user" && (
        <>
          <span class="user" title="Logged in as">
            {state.user}
          </span>
          <Button kind="quiet" onClick={() => session.logOut()}>
            Log out
          </Button>
        </>
      )}
      {config.readOnly ? (
        <span class="badge">read-only</span>
      ) : (
        <Button kind="quiet" pressed={isReadOnly} onClick={() => readOnly.set(!isReadOnly)}>
          {isReadOnly ? "Read-only" : "Editing"}
        </Button>
      )}
      <Button kind="quiet" label={`Colours: ${current}`} onClick={nextTheme}>
        {{ system: "◐", light: "○", dark: "●" }[current]}
      </Button>
    </div>
  );
}

function Banner() {
  const { connection } = useApp();
  const state = useObservable(connection.state);
  if (state.kind === "up" && state.hasLeader) return null;
  return (
    <div class="banner" role="alert">
      {state.kind === "down"
        ? "The member does not answer. This page asks again by itself."
        : "The member knows no leader: nothing can be written, and most reads wait or fail."}
    </div>
  );
}

function LoginWhenAsked() {
  const state = useObservable(useApp().session.state);
  return state.kind === "login" ? <Login reason={state.reason} user={state.user} /> : null;
}
