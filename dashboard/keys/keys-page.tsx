/** Keys: the tree at the left, what is chosen at the right; one of the two on narrow screens. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { parseShown, shownText, startsWith } from "../api/bytes.ts";
import { range } from "../api/kv.ts";
import { useApp, useObservable, useReadOnly } from "../frame/app.ts";
import type { PageProps } from "../frame/pages.ts";
import { bytesOfParam, paramOf, routeHref } from "../frame/router.ts";
import { RevisionBar } from "../history/revision-bar.tsx";
import { Button } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { Empty, Notice } from "../ui/notice.tsx";
import { KeyDetail } from "./key-detail.tsx";
import { KeyTree } from "./key-tree.tsx";
import { ancestorsOf } from "./level.ts";
import { NewKey } from "./new-key.tsx";
import { PrefixDetail } from "./prefix-detail.tsx";
import { TreeStore } from "./tree-store.ts";

/** What the address says: where the tree begins, and what is chosen. */
interface View {
  readonly prefix: string;
  readonly separator: string;
  readonly revision: number;
  readonly key: string | undefined;
  readonly branch: string | undefined;
  readonly tab: "value" | "history";
}

export function KeysPage({ route }: PageProps) {
  const { params } = route;
  const view: View = {
    prefix: params.get("prefix") ?? "",
    separator: params.get("separator") ?? "/",
    revision: Number(params.get("revision") ?? 0) || 0,
    key: params.get("key"),
    branch: params.get("branch"),
    tab: params.get("tab") === "history" ? "history" : "value",
  };
  const go = (changes: Partial<View>): void => {
    location.hash = hrefOf({ ...view, ...changes });
  };
  const [isTravelling, setTravelling] = useState(view.revision !== 0);
  const [isNew, setNew] = useState(false);
  const [tree, refresh] = useTree(view);
  const isReadOnly = useReadOnly();
  const root = useMemo(() => bytesOfParam(view.prefix), [view.prefix]);
  const chosen = view.key ?? view.branch;
  const name = useMemo(() => (chosen === undefined ? undefined : bytesOfParam(chosen)), [chosen]);
  const close = (): void => go({ key: undefined, branch: undefined });
  return (
    <div class={chosen === undefined ? "keys" : "keys keys-chosen"}>
      <h1 class="visually-hidden">Keys</h1>
      <section class="keys-list" aria-label="All keys">
        <div class="keys-tools">
          <Search view={view} onChange={(changes) => go(changes)} />
          <div class="row">
            {!isReadOnly && view.revision === 0 && (
              <Button kind="primary" onClick={() => setNew(true)}>
                New key
              </Button>
            )}
            <Button onClick={refresh}>Refresh</Button>
            <Button
              pressed={isTravelling}
              onClick={() => {
                setTravelling(!isTravelling);
                if (isTravelling) go({ revision: 0 });
              }}
            >
              Earlier
            </Button>
          </div>
          {isTravelling && (
            <RevisionBar
              probe={name ?? (root.length === 0 ? parseShown("\\x00") : root)}
              revision={view.revision}
              onChange={(revision) => go({ revision })}
            />
          )}
          {view.revision !== 0 && (
            <Notice kind="warning">Keys as they were at revision {view.revision}.</Notice>
          )}
        </div>
        <KeyTree
          tree={tree}
          root={root}
          onFirstKey={view.revision === 0 ? refresh : undefined}
          selected={view.key === undefined ? undefined : name}
          onSelect={(bytes, kind) => {
            const text = paramOf(bytes);
            go(
              kind === "key" ? { key: text, branch: undefined } : { branch: text, key: undefined },
            );
          }}
        />
      </section>
      {name === undefined && (
        <section class="detail detail-empty">
          <Empty title="Choose a key">
            <p>Arrow keys move in the list, Enter opens.</p>
          </Empty>
        </section>
      )}
      {name !== undefined && view.key !== undefined && (
        <KeyDetail
          name={name}
          revision={view.revision}
          tab={view.tab}
          onTab={(tab) => go({ tab })}
          onChanged={refresh}
          onClose={close}
        />
      )}
      {name !== undefined && view.key === undefined && (
        <PrefixDetail
          prefix={name}
          revision={view.revision}
          onNew={() => setNew(true)}
          onChanged={refresh}
          onClose={close}
        />
      )}
      {isNew && (
        <NewKey
          prefix={view.key === undefined && name !== undefined ? name : root}
          onClose={() => setNew(false)}
          onCreated={(key) => {
            setNew(false);
            refresh();
            go({ key: shownText(key), branch: undefined, tab: "value" });
          }}
        />
      )}
    </div>
  );
}

function hrefOf(view: View): string {
  return routeHref("keys", {
    prefix: view.prefix,
    // Empty is a choice of its own: one flat list.
    separator: view.separator === "/" ? undefined : view.separator || " ",
    revision: view.revision === 0 ? undefined : String(view.revision),
    key: view.key,
    branch: view.branch,
    tab: view.tab === "value" ? undefined : view.tab,
  });
}

/** The tree of a view, made anew when it begins elsewhere, and when somebody asks for it. */
function useTree({
  prefix,
  separator,
  revision,
  key,
  branch,
}: View): readonly [TreeStore, () => void] {
  const { api, session, connection } = useApp();
  const { generation } = useObservable(connection.state);
  const sessionState = useObservable(session.state);
  const [turn, setTurn] = useState(0);
  const [open, setOpen] = useState<readonly Uint8Array[]>([]);
  const tree = useMemo(() => {
    const root = bytesOfParam(prefix);
    const bytes = separator === " " ? new Uint8Array(0) : parseShown(separator);
    // What the address names is to be seen, whoever opened it.
    const named = bytesOfParam(key ?? branch ?? "");
    const isInside = startsWith(named, root);
    return new TreeStore({
      range: (request, signal) => range(api, request, { signal }),
      root,
      separator: bytes,
      revision,
      open: [...open, ...(isInside ? ancestorsOf(named, root, bytes) : [])],
    });
  }, [api, prefix, separator, revision, generation, sessionState, turn]);
  useEffect(() => () => tree.stop(), [tree]);
  const refresh = (): void => {
    setOpen(tree.openPrefixes());
    setTurn((last) => last + 1);
  };
  return [tree, refresh];
}

function Search(props: {
  readonly view: View;
  readonly onChange: (changes: Partial<View>) => void;
}) {
  const { view, onChange } = props;
  const [text, setText] = useState(view.prefix);
  const [separator, setSeparator] = useState(view.separator.trim());
  useEffect(() => setText(view.prefix), [view.prefix]);
  return (
    <form
      class="keys-search"
      onSubmit={(event) => {
        event.preventDefault();
        onChange({
          prefix: paramOf(bytesOfParam(text)),
          separator: separator === "" ? " " : separator,
        });
      }}
    >
      <Field label="Begins with" mono value={text} placeholder="all keys" onInput={setText} />
      <Field label="Separator" mono value={separator} placeholder="none" onInput={setSeparator} />
      <Button type="submit">Search</Button>
    </form>
  );
}
