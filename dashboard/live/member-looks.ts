/** Looks at all members: status and metrics of each, and the figures between two looks. */
import { parseExposition } from "../../src/insight/exposition.ts";
import {
  figuresBetween,
  type MemberFigures,
  type Scrape,
} from "../../src/insight/member-figures.ts";
import { type ApiError, messageOf } from "../api/api-error.ts";
import type { CallOptions, EtcdApi } from "../api/etcd-api.ts";
import {
  type Member,
  type MemberStatus,
  memberList,
  memberStatus,
  pathAt,
} from "../api/members.ts";

export interface MemberLook {
  readonly member: Member;
  readonly status: MemberStatus | undefined;
  /** Undefined until there are two looks. */
  readonly figures: MemberFigures | undefined;
  /** Why it told nothing; "" when it did. */
  readonly failure: string;
}

export interface Looks {
  readonly self: string;
  readonly looks: readonly MemberLook[];
}

export class Observer {
  readonly #api: EtcdApi;
  readonly #last = new Map<string, Scrape>();

  constructor(api: EtcdApi) {
    this.#api = api;
  }

  async look(options: CallOptions): Promise<Looks> {
    const { self, members } = await memberList(this.#api, options);
    const looks = await Promise.all(members.map((member) => this.#lookAt(self, member, options)));
    return { self, looks };
  }

  /** A member that does not answer is shown so, and hides no other; the page's own must answer. */
  async #lookAt(self: string, member: Member, options: CallOptions): Promise<MemberLook> {
    const { id } = member;
    try {
      // One after the other: who hangs holds one of the few connections of a browser, not two.
      const status = await memberStatus(this.#api, self, id, options);
      const page = await this.#api.text(pathAt(self, id, "metrics"), options);
      const scrape = { atMs: performance.now(), samples: parseExposition(page) };
      const before = this.#last.get(id);
      this.#last.set(id, scrape);
      const figures = before === undefined ? undefined : figuresBetween(before, scrape);
      return { member, status, figures, failure: "" };
    } catch (error) {
      if (options.signal?.aborted === true || id === self) throw error;
      this.#last.delete(id);
      return {
        member,
        status: undefined,
        figures: undefined,
        failure: messageOf(error as ApiError),
      };
    }
  }
}
