// The documents of a collection, as they are now.

import { $, activities, element, keyed, nameOf, say, showProgress } from "./view.js";

export class List {
  #documents = new Map();
  #opened = null;

  all(documents) {
    this.#documents = new Map(documents.map((document) => [document.id, document]));
    this.#show();
  }

  put(document) {
    this.#documents.set(document.id, document);
    this.#show();
  }

  gone(id) {
    this.#documents.delete(id);
    this.#show();
  }

  get(id) {
    return this.#documents.get(id);
  }

  /** Which of them the user looks at. */
  mark(id) {
    this.#opened = id;
    this.#show();
  }

  #show() {
    const sorted = [...this.#documents].sort(([a], [b]) => (a < b ? -1 : 1));
    keyed($("rows"), sorted, row, (row, document, id) => {
      const [link, phase, bar] = row.querySelectorAll("a, .phase, progress");
      say(link, nameOf(document));
      link.setAttribute("aria-current", String(id === this.#opened));
      say(phase, activities(document).map(([, { phase }]) => phase).join(", "));
      showProgress(bar, activities(document).map(([, { progress }]) => progress).find((progress) => progress));
    });
    $("empty").hidden = sorted.length > 0;
  }
}

function row(document, id) {
  return element(
    "tr",
    {},
    element("td", {}, element("a", { href: `#${encodeURIComponent(id)}` })),
    element("td", { class: "phase" }),
    element("td", {}, element("progress", { "aria-label": `Progress of ${id}` })),
  );
}
