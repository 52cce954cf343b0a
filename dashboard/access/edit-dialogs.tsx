/** Changes of users and roles. */
import { useState } from "preact/hooks";
import { prefixEnd, parseShown, toBase64, END_OF_KEYS } from "../api/bytes.ts";
import { useApp } from "../frame/app.ts";
import { Confirm } from "../ui/confirm.tsx";
import { Field } from "../ui/field.tsx";
import { Select } from "../ui/select.tsx";
import { type AccessState, type Permission, spanText } from "./users.ts";

export type Edit =
  | { readonly kind: "addUser" | "addRole" }
  | {
      readonly kind: "deleteUser" | "deleteRole" | "password" | "addPermission";
      readonly name: string;
    }
  | { readonly kind: "giveRole"; readonly user: string }
  | { readonly kind: "takeRole"; readonly user: string; readonly role: string }
  | { readonly kind: "takePermission"; readonly permission: Permission };

interface EditProps {
  readonly state: AccessState;
  readonly edit: Edit;
  readonly onClose: (done: boolean) => void;
}

export function EditDialog({ state, edit, onClose }: EditProps) {
  const { api } = useApp();
  switch (edit.kind) {
    case "addUser":
      return <UserDialog onClose={onClose} />;
    case "password":
      return <UserDialog name={edit.name} onClose={onClose} />;
    case "addRole":
      return <RoleDialog onClose={onClose} />;
    case "addPermission":
      return <PermissionDialog role={edit.name} onClose={onClose} />;
    case "giveRole":
      return <GiveRoleDialog state={state} user={edit.user} onClose={onClose} />;
    case "deleteUser":
      return (
        <Confirm
          title={`Delete the user ${edit.name}?`}
          action="Delete"
          run={() => api.call("v3/auth/user/delete", { name: edit.name })}
          onClose={onClose}
        >
          <p>Its logins end at once.</p>
        </Confirm>
      );
    case "deleteRole": {
      const holders = state.users.filter(({ roles }) => roles.includes(edit.name));
      return (
        <Confirm
          title={`Delete the role ${edit.name}?`}
          action="Delete"
          run={() => api.call("v3/auth/role/delete", { role: edit.name })}
          onClose={onClose}
        >
          <p>
            {holders.length === 0
              ? "No user has it."
              : `Taken from: ${holders.map(({ name }) => name).join(", ")}.`}
          </p>
        </Confirm>
      );
    }
    case "takeRole":
      return (
        <Confirm
          title={`Take the role ${edit.role} from ${edit.user}?`}
          action="Take"
          run={() => api.call("v3/auth/user/revoke", { name: edit.user, role: edit.role })}
          onClose={onClose}
        />
      );
    case "takePermission": {
      const { role, key, rangeEnd } = edit.permission;
      return (
        <Confirm
          title={`Take ${spanText(edit.permission)} from the role ${role}?`}
          action="Take"
          run={() => api.call("v3/auth/role/revoke", { role, key, range_end: rangeEnd })}
          onClose={onClose}
        />
      );
    }
  }
}

type OnClose = Pick<EditProps, "onClose">;

/** A new user, or with `name` a new password for one. */
function UserDialog({ name, onClose }: OnClose & { readonly name?: string }) {
  const { api } = useApp();
  const [draft, setDraft] = useState("");
  const [password, setPassword] = useState("");
  const user = name ?? draft;
  const path = name === undefined ? "v3/auth/user/add" : "v3/auth/user/changepw";
  return (
    <Confirm
      title={name === undefined ? "Add a user" : `A new password for ${name}`}
      action={name === undefined ? "Add" : "Change"}
      kind="primary"
      disabled={user === "" || password === ""}
      run={() => api.call(path, { name: user, password })}
      onClose={onClose}
    >
      {name === undefined && <Field label="Name" value={draft} onInput={setDraft} />}
      <Field
        label="Password"
        type="password"
        value={password}
        onInput={setPassword}
        autocomplete="new-password"
      />
    </Confirm>
  );
}

function RoleDialog({ onClose }: OnClose) {
  const { api } = useApp();
  const [name, setName] = useState("");
  return (
    <Confirm
      title="Add a role"
      action="Add"
      kind="primary"
      disabled={name === ""}
      run={() => api.call("v3/auth/role/add", { name })}
      onClose={onClose}
    >
      <Field label="Name" value={name} onInput={setName} />
    </Confirm>
  );
}

function GiveRoleDialog(props: Omit<EditProps, "edit"> & { readonly user: string }) {
  const { state, user, onClose } = props;
  const { api } = useApp();
  const held = state.users.find(({ name }) => name === user)?.roles ?? [];
  const free = state.roles.map(({ name }) => name).filter((name) => !held.includes(name));
  const [role, setRole] = useState(free[0] ?? "");
  return (
    <Confirm
      title={`Give ${user} a role`}
      action="Give"
      kind="primary"
      disabled={role === ""}
      run={() => api.call("v3/auth/user/grant", { user, role })}
      onClose={onClose}
    >
      {free.length === 0 ? (
        <p>It has every role that there is.</p>
      ) : (
        <Select
          label="Role"
          value={role}
          options={free.map((name) => ({ value: name, text: name }))}
          onChange={setRole}
        />
      )}
    </Confirm>
  );
}

const EXTENTS = [
  { value: "prefix", text: "all keys that begin with" },
  { value: "key", text: "the key" },
  { value: "all", text: "all keys" },
];

function PermissionDialog({ role, onClose }: OnClose & { readonly role: string }) {
  const { api } = useApp();
  const [type, setType] = useState("READ");
  const [extent, setExtent] = useState("prefix");
  const [text, setText] = useState("");
  const key = extent === "all" ? END_OF_KEYS : parseShown(text);
  const end = { prefix: prefixEnd(key), all: END_OF_KEYS }[extent];
  const perm = {
    permType: type,
    key: toBase64(key),
    ...(end !== undefined && { range_end: toBase64(end) }),
  };
  return (
    <Confirm
      title={`Grant something to the role ${role}`}
      action="Grant"
      kind="primary"
      disabled={key.length === 0}
      run={() => api.call("v3/auth/role/grant", { name: role, perm })}
      onClose={onClose}
    >
      <Select
        label="May"
        value={type}
        options={[
          { value: "READ", text: "read" },
          { value: "WRITE", text: "write" },
          { value: "READWRITE", text: "read and write" },
        ]}
        onChange={setType}
      />
      <Select label="What" value={extent} options={EXTENTS} onChange={setExtent} />
      {extent !== "all" && <Field label="Key or prefix" value={text} onInput={setText} mono />}
    </Confirm>
  );
}
