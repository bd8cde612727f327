// What two people changed differently: both versions, and the choice.

import { shownAs, valueOf } from "./form.js";
import { $, element, say } from "./view.js";

/**
 * Shows the conflicts, and waits for the user. Gives a value for each (`undefined` is a member that goes),
 * or `null` if the user goes on editing.
 */
export function choose(conflicts, signal) {
  const form = $("conflicts");
  $("choices").replaceChildren(...conflicts.map(choice));
  form.hidden = false;
  $("conflicts-title").focus();
  const { promise, resolve } = Promise.withResolvers();
  const done = new AbortController();
  const listen = (target, event, act) => target.addEventListener(event, act, { signal: done.signal });
  listen(form, "submit", (event) => {
    event.preventDefault();
    const chosen = conflicts.map((conflict, index) => chosenOf(conflict, index));
    if (!chosen.includes(UNREADABLE)) {
      resolve(chosen);
    }
  });
  listen($("reconsider"), "click", () => resolve(null));
  listen(signal, "abort", () => resolve(null));
  return promise.finally(() => {
    done.abort();
    form.hidden = true;
  });
}

const UNREADABLE = Symbol("what was typed is not JSON");

const kindOf = ({ mine, theirs }) =>
  [mine, theirs].every((side) => side === undefined || typeof side === "string") ? "text" : "json";

const textOf = (kind, value) => (kind === "text" ? (value ?? "") : (shownAs(value).text ?? ""));

function choice(conflict, index) {
  const kind = kindOf(conflict);
  const group = `choice-${index}`;
  const shown = (value) =>
    value === undefined ? element("em", {}, "not there") : element("pre", {}, shownAs(value).text);
  const side = (value, title, content) =>
    element("div", {}, element("label", {}, radio(group, value), ` ${title}`), content);
  const edited = element("textarea", { "aria-label": "Something else", rows: "1", "data-kind": kind });
  edited.value = textOf(kind, conflict.mine ?? conflict.theirs);
  const other = side("edited", "Something else", edited);
  edited.addEventListener("input", () => {
    other.querySelector("input").checked = true;
  });
  return element(
    "fieldset",
    { class: "choice", "data-path": conflict.path.join(".") },
    element("legend", {}, conflict.path.join(" → ") || "the document"),
    element("p", {}, "It was: ", shown(conflict.base)),
    element(
      "div",
      { class: "sides" },
      side("mine", "Mine", shown(conflict.mine)),
      side("theirs", "Theirs", shown(conflict.theirs)),
      other,
    ),
    element("p", { class: "wrong", role: "alert" }),
  );
}

const radio = (name, value) => element("input", { type: "radio", name, value, required: "" });

function chosenOf(conflict, index) {
  const group = $("choices").children[index];
  const how = group.querySelector("input:checked").value;
  if (how !== "edited") {
    return conflict[how];
  }
  const edited = group.querySelector("textarea");
  try {
    return valueOf(edited.dataset.kind, edited.value);
  } catch (error) {
    say(group.querySelector(".wrong"), `This is not JSON: ${error.message}`);
    edited.focus();
    return UNREADABLE;
  }
}
