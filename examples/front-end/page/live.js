// What becomes of one document: phases, progress, conditions, and what can be done about it now.

import { $, activities, element, keyed, say, showProgress } from "./view.js";

/** `act(method, href, what)` does what a button says. */
export function showLive(representation, act) {
  keyed($("activities"), activities(representation), activity, (shown, activity) => {
    const [phase, bar, message, last] = shown.querySelectorAll(".phase, progress, .message, .last");
    say(phase, activity.phase);
    showProgress(bar, activity.progress);
    say(message, activity.progress?.message ?? "");
    say(last, outcome(activity.last));
  });

  const conditions = representation.status.conditions.map((condition) => [condition.type, condition]);
  keyed($("conditions"), conditions, () => element("li"), (item, { type, status, reason, message }) =>
    say(item, `${type}: ${status === "True" ? "yes" : "no"} (${reason}) ${message ?? ""}`),
  );

  const links = representation._links;
  const actions = [
    ...offers(links["run-now"]).map((link) => ["POST", link, `Run ${link.name} now`]),
    ...offers(links.cancel).map((link) => ["DELETE", link, `Cancel ${jobOf(link, links.cancel)}`]),
  ];
  const entries = actions.map((action) => [`${action[0]} ${action[1].href}`, action]);
  keyed($("actions"), entries, ([method, link, what]) => {
    const button = element("button", { type: "button", "data-method": method });
    button.addEventListener("click", () => act(method, link.href, what));
    return button;
  }, (button, [, , what]) => say(button, what));
}

/** Nothing can be done to what is not there. */
export function showGone() {
  $("activities").replaceChildren();
  $("conditions").replaceChildren();
  $("actions").replaceChildren();
}

function activity(_, name) {
  return element(
    "div",
    { "data-activity": name },
    element("p", { role: "status" }, `${name}: `, element("strong", { class: "phase" })),
    element("progress", { "aria-label": `Progress of ${name}` }),
    element("p", { class: "message" }),
    element("p", { class: "last" }),
  );
}

function outcome(last) {
  if (!last) {
    return "";
  }
  const more = last.error ? `: ${last.error.reason}, ${last.error.message}` : "";
  return `The last job ${last.phase}${more}.`.replace("job succeeded", "job has succeeded");
}

/** One link, several, or none. */
function offers(links) {
  return links === undefined ? [] : [links].flat();
}

function jobOf(link, links) {
  return offers(links).length > 1 ? `job ${link.href.slice(-6)} of ${link.name}` : `the job of ${link.name}`;
}
