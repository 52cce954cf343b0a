/** Users, roles and permissions, and who may do what. */
import { useState } from "preact/hooks";
import { lastOf, useApp, useLoad, useReadOnly } from "../frame/app.ts";
import { Button } from "../ui/button.tsx";
import { plural } from "../ui/format.ts";
import { Empty, Failure, Loading, Notice } from "../ui/notice.tsx";
import { CheckView } from "./check-view.tsx";
import { type Edit, EditDialog } from "./edit-dialogs.tsx";
import { type AccessState, accessState, type Role, spanText, type User } from "./users.ts";

const ROOT = "root";

export function AccessPage() {
  const { api } = useApp();
  const [edit, setEdit] = useState<Edit>();
  const [loaded, reload] = useLoad((signal) => accessState(api, { signal }), []);
  const state = lastOf(loaded);
  if (loaded.kind === "failed") return <Failure error={loaded.error} onRetry={reload} />;
  if (state === undefined) return <Loading what="Loading users and roles" />;
  return (
    <div class="stack">
      <h1 class="visually-hidden">Access</h1>
      {!state.isEnabled && (
        <Notice title="Authentication is off">
          Everybody may do everything. With a user root that has the role root,{" "}
          <code>etcdctl auth enable</code> turns it on.
        </Notice>
      )}
      <CheckView state={state} />
      <div class="columns">
        <Users state={state} onEdit={setEdit} />
        <Roles state={state} onEdit={setEdit} />
      </div>
      {state.left > 0 && (
        <p class="muted">
          {plural(state.left, "more user or role", "more users and roles")}, not shown.
        </p>
      )}
      {edit !== undefined && (
        <EditDialog
          state={state}
          edit={edit}
          onClose={(done) => {
            setEdit(undefined);
            if (done) reload();
          }}
        />
      )}
    </div>
  );
}

interface ListProps {
  readonly state: AccessState;
  readonly onEdit: (edit: Edit) => void;
}

function Users({ state, onEdit }: ListProps) {
  const readOnly = useReadOnly();
  return (
    <section class="card stack" aria-label="Users">
      <div class="row">
        <h2>Users</h2>
        {!readOnly && <Button onClick={() => onEdit({ kind: "addUser" })}>Add a user</Button>}
      </div>
      {state.users.length === 0 && <Empty title="There are no users" />}
      <ul class="plain entries">
        {state.users.map((user) => (
          <UserEntry key={user.name} user={user} readOnly={readOnly} onEdit={onEdit} />
        ))}
      </ul>
    </section>
  );
}

function UserEntry(props: {
  readonly user: User;
  readonly readOnly: boolean;
  readonly onEdit: ListProps["onEdit"];
}) {
  const { user, readOnly, onEdit } = props;
  const { name, roles } = user;
  return (
    <li class="stack entry" aria-label={`User ${name}`}>
      <div class="row">
        <strong class="wrap">{name}</strong>
        {roles.length === 0 && <span class="muted">no role</span>}
        {roles.map((role) =>
          readOnly ? (
            <span key={role} class="badge">
              {role}
            </span>
          ) : (
            <button
              key={role}
              type="button"
              class="badge badge-button"
              title={`Take the role ${role} from ${name}`}
              onClick={() => onEdit({ kind: "takeRole", user: name, role })}
            >
              {role} ✕
            </button>
          ),
        )}
      </div>
      {!readOnly && (
        <div class="row">
          <Button onClick={() => onEdit({ kind: "giveRole", user: name })}>Give a role</Button>
          <Button onClick={() => onEdit({ kind: "password", name })}>Password</Button>
          {name !== ROOT && (
            <Button kind="danger" onClick={() => onEdit({ kind: "deleteUser", name })}>
              Delete
            </Button>
          )}
        </div>
      )}
    </li>
  );
}

function Roles({ state, onEdit }: ListProps) {
  const readOnly = useReadOnly();
  return (
    <section class="card stack" aria-label="Roles">
      <div class="row">
        <h2>Roles</h2>
        {!readOnly && <Button onClick={() => onEdit({ kind: "addRole" })}>Add a role</Button>}
      </div>
      {state.roles.length === 0 && <Empty title="There are no roles" />}
      <ul class="plain entries">
        {state.roles.map((role) => (
          <RoleEntry key={role.name} role={role} readOnly={readOnly} onEdit={onEdit} />
        ))}
      </ul>
    </section>
  );
}

function RoleEntry(props: {
  readonly role: Role;
  readonly readOnly: boolean;
  readonly onEdit: ListProps["onEdit"];
}) {
  const { role, readOnly, onEdit } = props;
  const { name, permissions } = role;
  return (
    <li class="stack entry" aria-label={`Role ${name}`}>
      <div class="row">
        <strong class="wrap">{name}</strong>
        {name === ROOT && <span class="muted">may do everything</span>}
      </div>
      {permissions.length === 0 && name !== ROOT && <span class="muted">grants nothing</span>}
      <ul class="plain">
        {permissions.map((permission) => (
          <li key={`${permission.key} ${permission.rangeEnd}`} class="row">
            <span class="badge">{permission.access}</span>
            <span class="mono wrap">{spanText(permission)}</span>
            {!readOnly && (
              <Button
                kind="quiet"
                label={`Take ${spanText(permission)} from ${name}`}
                onClick={() => onEdit({ kind: "takePermission", permission })}
              >
                ✕
              </Button>
            )}
          </li>
        ))}
      </ul>
      {!readOnly && name !== ROOT && (
        <div class="row">
          <Button onClick={() => onEdit({ kind: "addPermission", name })}>Grant something</Button>
          <Button kind="danger" onClick={() => onEdit({ kind: "deleteRole", name })}>
            Delete
          </Button>
        </div>
      )}
    </li>
  );
}
