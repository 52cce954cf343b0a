/**
 * Questions of the dashboard to other members. A browser may ask only the member that its page came
 * from; that member passes a few requests on to the client URLs that another one has published,
 * with the caller's token, so that the other decides what the caller may do.
 */
import { formatID } from "../base/ids.ts";
import { parseEtcdUrl } from "../base/etcd-url.ts";
import { errorMessage } from "../base/error-message.ts";
import { HttpBodyTooLarge, type HttpRequest, type HttpResponse } from "../env/http.ts";
import { PeerRequestError } from "../env/peers.ts";
import { sendStatus } from "../gateway/index.ts";
import type { EtcdServer } from "../server/index.ts";
import type { PeerHttp } from "../transport/peer/peer-http.ts";

/** Questions under way at a time; a browser asks one or two of each member. */
const MAX_MEMBER_QUESTIONS = 32;
/** A page of metrics is some 100 kB, and grows with the number of peers and methods. */
const MAX_MEMBER_ANSWER_BYTES = 4 * 1024 * 1024;
/** The requests that are passed on hold a few numbers. */
const MAX_MEMBER_QUESTION_BYTES = 4096;
/** A member that is slower is as good as gone for somebody who looks at a page. */
const QUESTION_TIMEOUT_MS = 5000;
/** A hash or a defragmentation of some GB. */
const LONG_QUESTION_TIMEOUT_MS = 600_000;

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const UNAVAILABLE = 14;

interface Question {
  readonly method: "GET" | "POST";
  readonly timeoutMs: number;
}

const SHORT_GET: Question = { method: "GET", timeoutMs: QUESTION_TIMEOUT_MS };
const SHORT_POST: Question = { method: "POST", timeoutMs: QUESTION_TIMEOUT_MS };
const LONG_POST: Question = { method: "POST", timeoutMs: LONG_QUESTION_TIMEOUT_MS };

/** Paths behind "members/<id>", which are those of the other member's client listener. */
const QUESTIONS: Readonly<Record<string, Question>> = {
  "/metrics": SHORT_GET,
  "/dashboard/api/watchers": SHORT_GET,
  "/dashboard/api/progress": SHORT_GET,
  "/dashboard/api/upkeep": SHORT_GET,
  "/v3/maintenance/status": SHORT_POST,
  "/v3/maintenance/transfer-leadership": SHORT_POST,
  "/v3/maintenance/hashkv": LONG_POST,
  "/v3/maintenance/defragment": LONG_POST,
};

export class MemberQuestions {
  readonly #server: EtcdServer;
  readonly #http: PeerHttp;
  #underWay = 0;

  constructor(server: EtcdServer, http: PeerHttp) {
    this.#server = server;
    this.#http = http;
  }

  /** `path` is "<id>/…", the id in hexadecimal. */
  handle(path: string, request: HttpRequest, response: HttpResponse): void {
    const slash = path.indexOf("/");
    const id = path.slice(0, Math.max(0, slash));
    const question = Object.hasOwn(QUESTIONS, path.slice(slash))
      ? QUESTIONS[path.slice(slash)]
      : undefined;
    const member = this.#server.cluster.members.find((each) => formatID(each.id) === id);
    if (question === undefined || request.method !== question.method) {
      sendStatus(request, response, UNIMPLEMENTED, "not a question that is passed on");
    } else if (member === undefined) {
      sendStatus(request, response, NOT_FOUND, `no member ${id}`);
    } else if (member.clientURLs.length === 0) {
      sendStatus(request, response, UNAVAILABLE, `member ${id} has not started yet`);
    } else if (this.#underWay >= MAX_MEMBER_QUESTIONS) {
      sendStatus(request, response, RESOURCE_EXHAUSTED, "too many questions to other members");
    } else {
      this.#underWay++;
      const where = { path: path.slice(slash), urls: member.clientURLs, ...question };
      void this.#ask(where, request, response).finally(() => {
        this.#underWay--;
      });
    }
  }

  /** Never rejects. */
  async #ask(
    where: Question & { readonly path: string; readonly urls: readonly string[] },
    request: HttpRequest,
    response: HttpResponse,
  ): Promise<void> {
    const { authorization } = request.headers;
    const headers = {
      "content-type": "application/json",
      ...(authorization === undefined ? {} : { authorization }),
    };
    let failure = "";
    try {
      const read =
        where.method === "POST" ? await request.readBody(MAX_MEMBER_QUESTION_BYTES) : undefined;
      for (const url of where.urls) {
        try {
          const answer = await this.#http.exchange(parseEtcdUrl(url), {
            ...{ method: where.method, path: where.path, timeoutMs: where.timeoutMs },
            ...{ headers, body: read, limitBytes: MAX_MEMBER_ANSWER_BYTES },
          });
          pass(answer, response);
          return;
        } catch (error) {
          if (!(error instanceof PeerRequestError)) throw error;
          failure = error.message;
          // Whoever is slow to answer may be at work on it.
          if (error.code !== "unreachable") break;
        }
      }
      sendStatus(request, response, UNAVAILABLE, failure);
    } catch (error) {
      const code = error instanceof HttpBodyTooLarge ? INVALID_ARGUMENT : UNAVAILABLE;
      sendStatus(request, response, code, errorMessage(error));
    }
  }
}

function pass(
  answer: { readonly status: number; readonly body: Uint8Array },
  response: HttpResponse,
): void {
  if (response.closed) return;
  response.head(answer.status, {
    // Text for a program, whatever the other member says that it is.
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-length": String(answer.body.length),
  });
  response.end(answer.body);
}
