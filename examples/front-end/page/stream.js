// What is there and what becomes of it, as a stream of events.
//
// The stream begins with what there is, says `sync`, and goes on with changes.
// `EventSource` opens it again by itself where it was cut off; what changed in
// between then comes first, so nothing is missed. What was deleted in between
// is missing in a new beginning, so a beginning is shown when it is whole.

// How long to wait after an answer that is no stream.
const AGAIN_MS = 2_000;

export class Stream {
  #url;
  #hears;
  #source = null;
  #timer = null;
  /** The position after which to go on; none before the first whole beginning. */
  #position = "";
  /** A beginning that is not whole yet, by id; `null` after it. */
  #beginning = null;

  /**
   * `hears` is `{ all(documents), put(document), gone(id), state(name, position) }`. The state is `live`,
   * `away` (it is tried again by itself) or `refused` (there was an answer, but no stream; tried again, too).
   */
  constructor(url, hears) {
    this.#url = url;
    this.#hears = hears;
  }

  open() {
    this.close();
    const url = new URL(this.#url);
    if (this.#position !== "") {
      url.searchParams.set("after", this.#position);
    }
    const source = new EventSource(url);
    this.#source = source;
    source.onopen = () => {
      this.#beginning = this.#position === "" ? new Map() : null;
    };
    source.onerror = () => {
      const closed = source.readyState === EventSource.CLOSED;
      this.#hears.state(closed ? "refused" : "away", this.#position);
      if (closed) {
        this.#timer = setTimeout(() => this.open(), AGAIN_MS);
      }
    };
    const on = (name, act) =>
      source.addEventListener(name, (event) => {
        act(event.data === "" ? null : JSON.parse(event.data));
        this.#position = event.lastEventId;
        if (this.#beginning === null) {
          this.#hears.state("live", this.#position);
        }
      });
    on("put", (document) => {
      if (this.#beginning === null) {
        this.#hears.put(document);
      } else {
        this.#beginning.set(document.id, document);
      }
    });
    on("delete", ({ id }) => {
      if (this.#beginning === null) {
        this.#hears.gone(id);
      } else {
        this.#beginning.delete(id);
      }
    });
    // The service no longer knows what came after our position: it begins anew.
    on("reset", () => {
      this.#beginning = new Map();
    });
    on("sync", () => {
      if (this.#beginning !== null) {
        this.#hears.all([...this.#beginning.values()]);
        this.#beginning = null;
      }
    });
  }

  /** Gives the connection back, of which a browser has six for each service. `open` goes on where it was. */
  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }
}
