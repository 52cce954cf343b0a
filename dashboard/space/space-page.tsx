/** What fills the database below a prefix: an icicle plot and a table, from counts and small samples. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type SpaceNode, surveySpace } from "../../src/insight/space.ts";
import { type ApiError, asApiError } from "../api/api-error.ts";
import { latin1, utf8 } from "../api/bytes.ts";
import { shownLatin1 } from "../api/latin1.ts";
import { useApp, useObservable } from "../frame/app.ts";
import type { PageProps } from "../frame/pages.ts";
import { bytesOfParam, routeHref } from "../frame/router.ts";
import { Button } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { plural } from "../ui/format.ts";
import { Empty, Failure } from "../ui/notice.tsx";
import { Select } from "../ui/select.tsx";
import type { Measure } from "./icicle.ts";
import { SpacePlot, SpaceTable } from "./space-views.tsx";
import { spaceReader } from "./space-reader.ts";

/** Pages that are read of a prefix with many keys. */
const SAMPLES = 6;
const DEPTH = 3;

export function SpacePage({ route }: PageProps) {
  const prefix = route.params.get("prefix") ?? "";
  const separator = route.params.get("separator") || "/";
  return (
    <div class="stack">
      <h1 class="visually-hidden">Space</h1>
      <SpaceForm key={`${prefix} ${separator}`} prefix={prefix} separator={separator} />
      <Survey key={`${separator} ${prefix}`} prefix={prefix} separator={separator} />
    </div>
  );
}

interface Where {
  /** As in the address. */
  readonly prefix: string;
  readonly separator: string;
}

function SpaceForm({ prefix, separator }: Where) {
  const [draft, setDraft] = useState(prefix);
  const [mark, setMark] = useState(separator);
  return (
    <form
      class="row form-row"
      onSubmit={(event) => {
        event.preventDefault();
        const other = mark === "/" ? undefined : mark;
        location.hash = routeHref("space", { prefix: draft, separator: other });
      }}
    >
      <Field label="Below the prefix (empty: all keys)" value={draft} onInput={setDraft} mono />
      <Field label="Separator" value={mark} onInput={setMark} mono />
      <Button type="submit">Look</Button>
    </form>
  );
}

type State =
  | { readonly kind: "running"; readonly requests: number; readonly at: string }
  | { readonly kind: "done" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly error: ApiError };

function Survey({ prefix, separator }: Where) {
  const { api, session, connection } = useApp();
  const login = useObservable(session.state);
  const { generation } = useObservable(connection.state);
  const [turn, setTurn] = useState(0);
  const [root, setRoot] = useState<SpaceNode>();
  const [state, setState] = useState<State>(STARTING);
  const cancel = useRef<() => void>(() => undefined);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    cancel.current = () => {
      controller.abort();
      setState({ kind: "cancelled" });
    };
    setRoot(undefined);
    setState(STARTING);
    const run = async (): Promise<void> => {
      // What is seen from above comes at once; a large store takes long to be seen in depth.
      for (let depth = 1; depth <= DEPTH; depth++) {
        const found = await surveySpace(spaceReader(api, signal), {
          ...{ prefix: latin1(bytesOfParam(prefix)), separator: latin1(utf8(separator)) },
          ...{ depth, samples: SAMPLES },
          onRequest: (requests, at) => {
            signal.throwIfAborted();
            setState({ kind: "running", requests, at });
          },
        });
        if (!signal.aborted) setRoot(found);
      }
      if (!signal.aborted) setState({ kind: "done" });
    };
    run().catch((error: unknown) => {
      if (!signal.aborted) setState({ kind: "failed", error: asApiError(error) });
    });
    return () => controller.abort();
  }, [login, generation, turn]);
  const again = (): void => setTurn((last) => last + 1);
  // The same element while the survey goes on: hundreds of cells are not compared for each request.
  const shown = useMemo(
    () => root && <Result root={root} separator={separator} />,
    [root, separator],
  );
  return (
    <>
      {state.kind === "running" && (
        <div class="row">
          <progress aria-label="The survey is under way" />
          <output>
            {plural(state.requests, "request")}, at{" "}
            <code class="wrap">{shownLatin1(state.at) || "the beginning"}</code>
          </output>
          <Button onClick={() => cancel.current()}>Cancel</Button>
        </div>
      )}
      {state.kind === "failed" && <Failure error={state.error} onRetry={again} />}
      {state.kind === "cancelled" && (
        <div class="row">
          <span>{root === undefined ? "Cancelled." : "Cancelled: some levels are missing."}</span>
          <Button onClick={again}>Look again</Button>
        </div>
      )}
      {state.kind === "done" && (
        <div class="row">
          <Button onClick={again}>Look again</Button>
        </div>
      )}
      {shown}
    </>
  );
}

const STARTING: State = { kind: "running", requests: 0, at: "" };

function Result({ root, separator }: { readonly root: SpaceNode; readonly separator: string }) {
  const [measure, setMeasure] = useState<Measure>("bytes");
  if (root.keys === 0) return <Empty title="There are no keys here" />;
  return (
    <>
      <div class="row form-row">
        <Select
          label="Widths by"
          value={measure}
          options={[
            { value: "bytes", text: "Bytes" },
            { value: "keys", text: "Keys" },
            { value: "writes", text: "Writes" },
          ]}
          onChange={(value) => setMeasure(value as Measure)}
        />
      </div>
      <SpacePlot root={root} measure={measure} separator={separator} />
      <SpaceTable root={root} measure={measure} separator={separator} />
      <p class="hint">
        Counts are exact; figures with ~ come from samples. Bytes are those of present keys and
        values; their history comes on top until a compaction. Writes are those since the keys were
        created.
      </p>
    </>
  );
}
