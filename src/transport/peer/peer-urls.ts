/** The URLs of one peer: one is in use, and each failure moves on to the next. */
import { type EtcdUrl, parseEtcdUrl } from "../../base/etcd-url.ts";
import { TextError } from "../../base/go-text.ts";
import { MAX_PEER_URLS } from "./limits.ts";

/** @throws TextError when a text is no URL, or when there are none or too many. */
export function parsePeerUrls(texts: readonly string[]): EtcdUrl[] {
  if (texts.length === 0 || texts.length > MAX_PEER_URLS) {
    throw new TextError(`${texts.length} peer URLs, expected 1 to ${MAX_PEER_URLS}`);
  }
  return texts.map(parseEtcdUrl).sort((a, b) => (a.href < b.href ? -1 : a.href > b.href ? 1 : 0));
}

export class PeerUrls {
  #urls: readonly EtcdUrl[];
  #picked = 0;

  /** At least one. */
  constructor(urls: readonly EtcdUrl[]) {
    this.#urls = urls;
  }

  get all(): readonly EtcdUrl[] {
    return this.#urls;
  }

  update(urls: readonly EtcdUrl[]): void {
    this.#urls = urls;
    this.#picked = 0;
  }

  pick(): EtcdUrl {
    return this.#urls[this.#picked] as EtcdUrl;
  }

  /** Several users may fail at the same URL; only the first moves on. */
  unreachable(url: EtcdUrl): void {
    if (url === this.pick()) this.#picked = (this.#picked + 1) % this.#urls.length;
  }
}
