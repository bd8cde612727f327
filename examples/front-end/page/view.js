// What every part of the page is drawn with. Text is only ever set as text.

export const $ = (id) => document.getElementById(id);

/** A new element, with attributes and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    made.setAttribute(attribute, value);
  }
  made.append(...children);
  return made;
}

/** Sets the text, unless it is that already: a screen reader would say it again. */
export function say(where, text) {
  if (where.textContent !== text) {
    where.textContent = text;
  }
}

/**
 * Makes the children of `parent` be one for each of `[key, value]`, in this order. A child stays the same
 * element as long as its key is there: it keeps the focus, and what is typed into it.
 */
export function keyed(parent, entries, make, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const [key, value] of entries) {
    let child = known.get(key);
    if (child === undefined) {
      child = make(value, key);
      child.dataset.key = key;
    }
    known.delete(key);
    if (child === place) {
      place = place.nextElementSibling;
    } else {
      parent.insertBefore(child, place);
    }
    update(child, value, key);
  }
  known.forEach((child) => child.remove());
}

/** How a document is called. */
export function nameOf(representation) {
  const { title, name, id } = representation;
  return [title, name].find((text) => typeof text === "string" && text !== "") ?? id;
}

/** The activities of a document: `[name, what became of it]`. */
export function activities(representation) {
  return Object.entries(representation.status).filter(([, value]) => typeof value?.phase === "string");
}

/** How far the work is, or nothing if there is none. */
export function showProgress(bar, progress) {
  bar.hidden = progress === null || progress === undefined;
  if (typeof progress?.fraction === "number") {
    bar.value = progress.fraction;
  } else {
    bar.removeAttribute("value");
  }
}
