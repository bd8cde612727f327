// One document that is being edited: the version that the edit began from, and
// how it is saved. Knows nothing of the page.
//
// A save names the version that it began from (`If-Match`). Jobs do not matter:
// the tag holds until somebody changes what is *desired*. If somebody did, both
// changes are brought together and sent again with the new tag; where that is
// not possible, the user decides.

import { difference, merge, patched, put, same } from "./merge.js";
import { Refused } from "./service.js";

/** What the service writes into every document. The rest is the user's. */
const OF_THE_SERVICE = new Set(["id", "status", "_links"]);

/** The members of a representation that people edit. */
export function own(representation) {
  return Object.fromEntries(Object.entries(representation).filter(([name]) => !OF_THE_SERVICE.has(name)));
}

/** No merge patch says this: in one, `null` removes a member. */
export class Inexpressible extends Error {
  constructor() {
    super("a member cannot become null, since in a merge patch that removes it: remove it, or use another value");
  }
}

export class Editor {
  #service;
  #href;
  /** A change that may have been made although nobody heard the answer, and its key. */
  #unheard = null;

  /** The version that the edit began from: `{ own, etag, generation, uid }`. */
  base = null;
  /** What the user made of it, as far as it was saved or brought together with other changes. */
  mine = null;

  constructor(service, href) {
    this.#service = service;
    this.#href = href;
  }

  /** Begins anew, from what is there, and gives that; `null` if `unless` says by then that it must not. */
  async load(signal, { unless = () => false } = {}) {
    const answer = await this.#service.ask("GET", this.#href, { signal });
    if (unless()) {
      return null;
    }
    this.#begin(answer);
    return answer.body;
  }

  /** Forgets what is not saved. */
  discard() {
    this.mine = this.base.own;
  }

  /** Whether a representation shows another wish than the one that the edit began from. */
  isOutdatedBy(representation) {
    const { uid, generation } = representation.status;
    return uid !== this.base.uid || generation > this.base.generation;
  }

  /**
   * Makes the document what the user made of it. `choose(conflicts)` decides, with a value for each conflict,
   * or `null` to go on editing. Gives `{ saved, taken, shown }`: whether it is saved, the paths that others
   * changed, and what is there now.
   */
  async save(mine, { choose, signal }) {
    this.mine = mine;
    const taken = [];
    for (;;) {
      const patch = difference(this.base.own, this.mine);
      if (patch === undefined) {
        return { saved: true, taken, shown: null };
      }
      if (!same(patched(this.base.own, patch), this.mine)) {
        throw new Inexpressible();
      }
      const answer = await this.#send(patch, signal);
      if (answer.status === 412) {
        const current = await this.#service.ask("GET", this.#href, { signal });
        if (answer.body.alreadyApplied) {
          this.#begin(current);
          return { saved: true, taken, shown: current.body };
        }
        if (!(await this.#bringTogether(current, taken, choose))) {
          return { saved: false, taken, shown: current.body };
        }
      } else if (answer.status === 200) {
        this.#begin(answer);
        return { saved: true, taken, shown: answer.body };
      } else {
        throw new Refused(answer);
      }
    }
  }

  /** Deletes the document, if it is the one that the user sees. */
  async remove(signal) {
    const headers = { "If-Match": this.base.etag };
    return this.#service.ask("DELETE", this.#href, { headers, key: crypto.randomUUID(), signal });
  }

  /** The same change is the same request, with the same key, until there is an answer. */
  async #send(patch, signal) {
    const change = JSON.stringify([this.base.etag, patch]);
    if (this.#unheard?.change !== change) {
      this.#unheard = { change, key: crypto.randomUUID() };
    }
    const headers = { "If-Match": this.base.etag, "Content-Type": "application/merge-patch+json" };
    const answer = await this.#service.answer("PATCH", this.#href, {
      headers,
      body: patch,
      key: this.#unheard.key,
      signal,
    });
    this.#unheard = null;
    return answer;
  }

  /** Whether the edit now begins from the current version. */
  async #bringTogether(current, taken, choose) {
    const result = merge(this.base.own, this.mine, own(current.body));
    let merged = result.merged;
    if (result.conflicts.length > 0) {
      const values = await choose(result.conflicts);
      if (values === null) {
        return false;
      }
      result.conflicts.forEach(({ path }, index) => {
        merged = put(merged, path, values[index]);
      });
    }
    taken.push(...result.taken);
    this.#begin(current);
    this.mine = merged;
    return true;
  }

  #begin({ etag, body }) {
    const { generation, uid } = body.status;
    this.base = { own: own(body), etag, generation, uid };
    this.mine = this.base.own;
  }
}
