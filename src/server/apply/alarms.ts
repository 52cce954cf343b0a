/**
 * The alarms of the cluster, kept in the alarm bucket: every member that raised NOSPACE or found
 * CORRUPT. Changed only by applied entries, so that all members agree.
 */
import { AlarmMember, AlarmType } from "../../api/gen/rpc.ts";
import { ALARM_BUCKET, type Backend, type Reader } from "../../backend/types.ts";
import { EMPTY_BYTES, latin1FromBytes } from "../../base/bytes.ts";
import type { MemberID } from "../../base/ids.ts";

/** The alarm's name as etcd prints it; the number for one that is not known. */
export function alarmName(alarm: number): string {
  return Object.entries(AlarmType).find(([, value]) => value === alarm)?.[0] ?? String(alarm);
}

const FIRST_KEY = EMPTY_BYTES;

export class Alarms {
  readonly #backend: Backend;
  /** Keyed by the encoded member, which is also the key on disk. */
  #members: Map<string, AlarmMember>;
  /** Told of each change that an entry, or a reload, makes. */
  onChange: ((member: AlarmMember, isRaised: boolean) => void) | undefined;

  /** Reads the alarm bucket. */
  constructor(backend: Backend) {
    this.#backend = backend;
    this.#members = loadAlarms(backend);
  }

  /**
   * Reads the alarms of another db, which is about to take the place of the backend's; nothing
   * changes until the returned function is called. Throws when a record is damaged.
   */
  prepareReload(reader: Reader): () => void {
    const members = loadAlarms(reader);
    return () => {
      const before = this.#members;
      this.#members = members;
      for (const [key, member] of before) if (!members.has(key)) this.onChange?.(member, false);
      for (const [key, member] of members) if (!before.has(key)) this.onChange?.(member, true);
    };
  }

  /** All alarms of a type; `AlarmType.NONE` means every type. */
  list(type: AlarmType): AlarmMember[] {
    const all = [...this.#members.values()];
    return type === AlarmType.NONE ? all : all.filter((member) => member.alarm === type);
  }

  has(type: AlarmType): boolean {
    for (const member of this.#members.values()) if (member.alarm === type) return true;
    return false;
  }

  /** Raises an alarm; answers it, also when it was raised before. */
  activate(memberID: MemberID, type: AlarmType): AlarmMember {
    const member = AlarmMember.create({ memberID, alarm: type });
    const key = AlarmMember.encode(member);
    const known = this.#members.get(latin1FromBytes(key));
    if (known !== undefined) return known;
    this.#members.set(latin1FromBytes(key), member);
    this.#backend.put(ALARM_BUCKET, key, EMPTY_BYTES);
    this.onChange?.(member, true);
    return member;
  }

  /** Clears an alarm; undefined when it was not raised. */
  deactivate(memberID: MemberID, type: AlarmType): AlarmMember | undefined {
    const key = AlarmMember.encode(AlarmMember.create({ memberID, alarm: type }));
    const known = this.#members.get(latin1FromBytes(key));
    if (known === undefined) return undefined;
    this.#members.delete(latin1FromBytes(key));
    this.#backend.delete(ALARM_BUCKET, key);
    this.onChange?.(known, false);
    return known;
  }
}

function loadAlarms(reader: Reader): Map<string, AlarmMember> {
  const members = new Map<string, AlarmMember>();
  reader.scan(ALARM_BUCKET, FIRST_KEY, undefined, (key) => {
    members.set(latin1FromBytes(key), AlarmMember.decode(key));
    return true;
  });
  return members;
}
