// The members of a document as fields: text as text, everything else as JSON.

import { same } from "./merge.js";
import { element, keyed, say } from "./view.js";

/** What is typed cannot be read. */
export class Unreadable extends Error {}

export class MemberForm {
  #container;
  /** What is shown in each field, so that what nobody touched is the very value. */
  #shown = new Map();

  constructor(container) {
    this.#container = container;
  }

  /** Shows a document. Fields that are there stay there, with the focus. */
  show(document) {
    this.#shown = new Map(Object.entries(document).map(([name, value]) => [name, shownAs(value)]));
    this.#draw((field, shown) => {
      if (says(field, shown)) {
        // As the user has written it.
        shown.text = field.value;
      } else {
        field.value = shown.text;
      }
    });
    this.mark([]);
  }

  /** The document that the fields say. Throws `Unreadable`, and marks the field. */
  read() {
    const members = [...this.#shown].map(([name, shown]) => {
      const { value } = this.#field(name);
      if (value === shown.text && shown.value !== undefined) {
        return [name, shown.value];
      }
      try {
        return [name, valueOf(shown.kind, value)];
      } catch (error) {
        this.mark([{ name, detail: `This is not JSON: ${error.message}` }]);
        this.#field(name).focus();
        throw new Unreadable(`${name} is not JSON`);
      }
    });
    return Object.fromEntries(members);
  }

  /** Whether the fields say anything but this document. */
  differs(document) {
    return [...this.#shown].some(([name, { text }]) => this.#field(name).value !== text) || this.#isOther(document);
  }

  /** Another field, empty. Not if there is one of that name. */
  add(name, kind) {
    if (!this.#shown.has(name)) {
      this.#shown.set(name, { kind, text: "", value: undefined });
      this.#draw(() => {});
    }
    this.#field(name).focus();
  }

  /** Says what is wrong with members. */
  mark(errors) {
    for (const row of this.#container.children) {
      const wrong = errors.filter(({ name }) => name === row.dataset.key).map(({ detail }) => detail);
      say(row.querySelector(".wrong"), wrong.join(" "));
      row.querySelector("textarea").setAttribute("aria-invalid", String(wrong.length > 0));
    }
  }

  has(name) {
    return this.#shown.has(name);
  }

  #isOther(document) {
    const shown = [...this.#shown].map(([name, { value }]) => [name, value]);
    return !same(Object.fromEntries(shown), document);
  }

  #field(name) {
    return [...this.#container.children].find((row) => row.dataset.key === name).querySelector("textarea");
  }

  #draw(update) {
    keyed(this.#container, this.#shown, (_, name) => this.#row(name), (row, shown) => {
      const field = row.querySelector("textarea");
      field.dataset.kind = shown.kind;
      update(field, shown);
    });
  }

  #row(name) {
    const about = `about ${name}`.replaceAll(/\s/g, "-");
    const field = element("textarea", { "data-member": name, "aria-describedby": about, rows: "1" });
    const remove = element("button", { type: "button", "aria-label": `Remove ${name}` }, "Remove");
    remove.addEventListener("click", () => {
      this.#shown.delete(name);
      this.#draw(() => {});
      this.#container.querySelector("textarea")?.focus();
    });
    return element(
      "div",
      { class: "member" },
      element("label", {}, name, field),
      remove,
      element("span", { class: "wrong", id: about }),
    );
  }
}

/** Whether a field says the value already, in whatever words. */
function says(field, { kind, value }) {
  try {
    return same(valueOf(kind, field.value), value);
  } catch {
    return false;
  }
}

/** A value as text, and of which kind the text is. */
export function shownAs(value) {
  return typeof value === "string"
    ? { kind: "text", text: value.replaceAll("\r\n", "\n"), value }
    : { kind: "json", text: JSON.stringify(value, null, 2), value };
}

/** The value that a text says. Throws if it is not of that kind. */
export function valueOf(kind, text) {
  return kind === "text" ? text : JSON.parse(text);
}

/** The member that a JSON pointer begins with. */
export function memberOf(pointer) {
  const [, name = ""] = pointer.split("/");
  return name.replaceAll("~1", "/").replaceAll("~0", "~");
}
