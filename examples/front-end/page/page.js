// The page: a collection as it is now, and one document of it that is edited.

import { choose } from "./conflicts.js";
import { Editor, Inexpressible } from "./editor.js";
import { MemberForm, memberOf, Unreadable } from "./form.js";
import { List } from "./list.js";
import { showGone, showLive } from "./live.js";
import { GivenUp, Refused, Service } from "./service.js";
import { Stream } from "./stream.js";
import { $, nameOf, say } from "./view.js";

const STATES = {
  live: "Live.",
  away: "The service does not answer. It is tried again by itself, and what has changed by then is shown then.",
  refused: "The service does not give a stream. It is tried again.",
};

const query = new URLSearchParams(location.search);
const fields = $("connect").elements;
fields.service.value = query.get("service") ?? "";
fields.collection.value = query.get("collection") ?? fields.collection.value;

/** Errors with a message for the user. Any other is a mistake of ours. */
const KNOWN = [GivenUp, Inexpressible, SyntaxError, Unreadable];

const list = new List();
const form = new MemberForm($("members"));
let service = null;
let path = null;
/** The document that is open: `{ id, editor, leaving, busy, catchingUp, gone, doing }`. */
let opened = null;

// ---- The collection. ----

function connect() {
  if (!URL.canParse(fields.service.value)) {
    say($("stream"), `Not connected: ${fields.service.value} is not the address of a service.`);
    return;
  }
  service = new Service(fields.service.value, { onAway: showAway });
  const name = fields.collection.value;
  path = name.startsWith("/") ? name : `/v1/${encodeURIComponent(name)}`;
  say($("list-title"), name);
  const stream = new Stream(service.url(path), {
    all(documents) {
      list.all(documents);
      $("list").hidden = false;
      $("stream").dataset.beginnings = Number($("stream").dataset.beginnings ?? 0) + 1;
      if (opened !== null) {
        follow(list.get(opened.id));
      }
    },
    put(document) {
      list.put(document);
      if (document.id === opened?.id) {
        follow(document);
      }
    },
    gone(id) {
      list.gone(id);
      if (id === opened?.id) {
        follow(undefined);
      }
    },
    state(name, position) {
      Object.assign($("stream").dataset, { state: name, position });
      say($("stream"), STATES[name]);
      if (name === "refused") {
        explain();
      }
    },
  });
  stream.open();
  // A browser has six connections for a service: nobody looks at a page that is hidden.
  document.addEventListener("visibilitychange", () => (document.hidden ? stream.close() : stream.open()));
  open();
}

/** Says why there is no stream, if the service says it. */
async function explain() {
  const answer = await service.answer("GET", path, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
  if (answer?.status >= 400 && $("stream").dataset.state === "refused") {
    say($("stream"), `${STATES.refused} It says: ${answer.body?.detail ?? answer.status}`);
  }
}

$("create").addEventListener("submit", async (event) => {
  event.preventDefault();
  say($("list-alert"), "");
  try {
    const body = JSON.parse(event.target.elements.document.value);
    const headers = { "Content-Type": "application/json" };
    const answer = await service.ask("POST", path, { headers, body, key: crypto.randomUUID() });
    location.hash = encodeURIComponent(answer.body.id);
  } catch (error) {
    say($("list-alert"), describe(error));
  }
});

// ---- The document. ----

/** The id that a part of an address stands for. */
function named(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Opens the document that the address names. */
async function open() {
  opened?.leaving.abort();
  const id = named(location.hash.slice(1));
  list.mark(id);
  $("document").hidden = id === "";
  if (id === "") {
    opened = null;
    return;
  }
  const editor = new Editor(service, `${path}/${encodeURIComponent(id)}`);
  const now = { id, editor, leaving: new AbortController(), busy: false, catchingUp: false, gone: false, doing: new Set() };
  opened = now;
  say($("document-title"), id);
  say($("alert"), "");
  form.show({});
  showGone();
  await edit(now, "Opening…", async (signal) => {
    showRepresentation(await editor.load(signal));
    return "";
  });
  if (opened === now) {
    $("document-title").focus();
  }
}

/** Shows what the stream says of the open document; `undefined` when it is no longer there. */
function follow(representation) {
  if (opened.editor.base === null) {
    // It was not there when it was opened.
    if (representation !== undefined && !opened.busy) {
      open();
    }
    return;
  }
  if (representation === undefined) {
    opened.gone = true;
    showGone();
    $("fields").disabled = true;
    say($("alert"), "This document is deleted.");
    return;
  }
  if (opened.gone) {
    opened.gone = false;
    $("fields").disabled = opened.busy;
    say($("alert"), "");
  }
  showRepresentation(representation);
  catchUp();
}

/** Begins from the newest version, as long as the user has not begun to edit. */
async function catchUp({ quietly = false } = {}) {
  const now = opened;
  const newest = list.get(now.id);
  const edited = () => now.busy || opened !== now || form.differs(now.editor.base.own);
  if (now.busy || now.catchingUp || newest === undefined || !now.editor.isOutdatedBy(newest)) {
    return;
  }
  if (edited() && quietly) {
    return;
  }
  if (edited()) {
    say($("note"), "Somebody else has changed this document. Saving brings both changes together.");
    return;
  }
  now.catchingUp = true;
  // If it cannot be read now, the stream will say more.
  const loaded = await now.editor.load(now.leaving.signal, { unless: edited }).catch(() => undefined);
  now.catchingUp = false;
  if (loaded === undefined || opened !== now) {
    return;
  }
  if (loaded !== null) {
    form.show(now.editor.mine);
    showRepresentation(loaded);
    say($("note"), "Shown as somebody else has changed it.");
  }
  catchUp();
}

function showRepresentation(representation) {
  say($("document-title"), nameOf(representation));
  showLive(representation, (method, href, what) => {
    const asked = opened;
    run(asked, `${what}…`, async (signal) => {
      await service.ask(method, href, { key: crypto.randomUUID(), signal });
      return `${what}: the service has heard it.`;
    });
  });
}

/** Does one thing. `act` gives what to say when it is done; a problem is shown. Gives what went wrong. */
async function run(now, doing, act) {
  const mine = new AbortController();
  now.doing.add(mine);
  say($("alert"), "");
  say($("note"), doing);
  let [said, wrong] = ["", null];
  try {
    said = await act(AbortSignal.any([mine.signal, now.leaving.signal]));
  } catch (error) {
    wrong = error;
  }
  now.doing.delete(mine);
  if (opened === now) {
    $("stop").hidden = true;
    say($("note"), said);
    if (wrong !== null) {
      say($("alert"), describe(wrong));
    }
  }
  return wrong;
}

/** Does one thing that the fields have to rest for. Afterwards they show what the editor knows. */
async function edit(now, doing, act) {
  const focused = document.activeElement;
  now.busy = true;
  $("fields").disabled = true;
  const wrong = await run(now, doing, act);
  now.busy = false;
  if (opened !== now) {
    return;
  }
  $("fields").disabled = now.gone || now.editor.base === null;
  if (now.editor.mine !== null) {
    form.show(now.editor.mine);
  }
  if (wrong instanceof Refused) {
    form.mark(wrong.errors.map(({ pointer, detail }) => ({ name: memberOf(pointer), detail })));
  }
  if (focused?.isConnected) {
    focused.focus();
  }
  if (now.editor.base !== null) {
    // Whatever is to be said of an edit that goes on is said already.
    catchUp({ quietly: true });
  }
}

$("edit").addEventListener("submit", (event) => {
  event.preventDefault();
  const now = opened;
  let mine;
  try {
    mine = form.read();
  } catch (error) {
    say($("alert"), describe(error));
    return;
  }
  edit(now, "Saving…", async (signal) => {
    const deciding = (conflicts) => {
      say($("note"), "");
      return choose(conflicts, signal);
    };
    const { saved, taken, shown } = await now.editor.save(mine, { choose: deciding, signal });
    if (shown !== null && opened === now) {
      showRepresentation(shown);
    }
    if (!saved) {
      return "Nothing is saved yet.";
    }
    const others = [...new Set(taken.map((path) => path.join(" → ")))].join(", ");
    return others === "" ? "Saved." : `Saved, together with what somebody else has changed: ${others}.`;
  });
});

$("discard").addEventListener("click", () => {
  say($("alert"), "");
  say($("note"), "");
  opened.editor.discard();
  form.show(opened.editor.mine);
  catchUp();
});

$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, kind } = event.target.elements;
  form.add(name.value, kind.value);
  event.target.reset();
});

$("remove").addEventListener("click", () => {
  const now = opened;
  run(now, "Deleting…", async (signal) => {
    const answer = await now.editor.remove(signal);
    return answer.status === 202 ? "It is deleted as soon as its jobs have stopped." : "Deleted.";
  });
});

$("stop").addEventListener("click", () => opened?.doing.forEach((doing) => doing.abort()));

// ---- What is said. ----

function showAway(times) {
  if (opened === null || opened.doing.size === 0) {
    return;
  }
  $("stop").hidden = times === 0;
  if (times > 0) {
    say($("note"), `The service does not answer. It is asked again, as often as it takes (${times}).`);
  }
}

function describe(error) {
  if (error instanceof Refused) {
    const elsewhere = error.errors.filter(({ pointer }) => !form.has(memberOf(pointer)));
    return [error.message, ...elsewhere.map(({ pointer, detail }) => `${pointer}: ${detail}`)].join(" ");
  }
  if (KNOWN.some((known) => error instanceof known)) {
    return error.message;
  }
  console.error(error);
  return `This page has a mistake: ${error.message}`;
}

document.addEventListener("securitypolicyviolation", ({ blockedURI }) => {
  say($("stream"), `The policy of this page does not let it ask ${blockedURI}: see connect-src in index.html.`);
});

window.addEventListener("hashchange", open);
if (query.has("service")) {
  connect();
}
