// What merge.js promises. `node merge.test.js` runs it, and so does a browser
// that imports it: it throws if something does not hold.

import { difference, merge, patched, put, same } from "./merge.js";

function check(what, got, expected) {
  if (!same(got, expected)) {
    throw new Error(`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
  }
}

// ---- Cases: base, mine, theirs, and what comes of them. ----

const proto = (value) => JSON.parse(`{"__proto__": ${JSON.stringify(value)}}`);

const merges = [
  ["nobody changes anything", { a: 1 }, { a: 1 }, { a: 1 }, { a: 1 }],
  ["mine alone", { a: 1 }, { a: 2 }, { a: 1 }, { a: 2 }],
  ["theirs alone", { a: 1 }, { a: 1 }, { a: 2 }, { a: 2 }],
  ["different members", { a: 1, b: 1 }, { a: 2, b: 1 }, { a: 1, b: 2 }, { a: 2, b: 2 }],
  ["the same change", { a: 1 }, { a: 2 }, { a: 2 }, { a: 2 }],
  ["both add", {}, { a: 1 }, { b: 2 }, { a: 1, b: 2 }],
  ["one removes, the other changes another", { a: 1, b: 1 }, { b: 1 }, { a: 1, b: 2 }, { b: 2 }],
  ["both remove", { a: 1, b: 1 }, { b: 1 }, { b: 1 }, { b: 1 }],
  ["within objects", { p: { x: 1, y: 1 } }, { p: { x: 2, y: 1 } }, { p: { x: 1, y: 2 } }, { p: { x: 2, y: 2 } }],
  ["null is a value", { a: null, b: 1 }, { a: null, b: 2 }, { a: 3, b: 1 }, { a: 3, b: 2 }],
  ["a member with a name of JavaScript's", {}, proto(1), { a: 1 }, JSON.parse('{"a": 1, "__proto__": 1}')],
];
for (const [what, base, mine, theirs, expected] of merges) {
  const { merged, conflicts } = merge(base, mine, theirs);
  check(`${what}: the document`, merged, expected);
  check(`${what}: conflicts`, conflicts, []);
  check(`${what}: its members are its own`, Object.keys(merged).length, Object.keys(expected).length);
}

const conflicting = [
  ["both change", { a: 1, b: 1 }, { a: 2, b: 2 }, { a: 3, b: 1 }, [["a"]], { a: 3, b: 2 }],
  ["one removes what the other changes", { a: 1 }, {}, { a: 2 }, [["a"]], { a: 2 }],
  ["one changes what the other removes", { a: 1 }, { a: 2 }, {}, [["a"]], {}],
  ["both add the same member", {}, { a: { x: 1 } }, { a: { y: 1 } }, [["a"]], { a: { y: 1 } }],
  ["lists are one piece", { a: [1] }, { a: [1, 2] }, { a: [0, 1] }, [["a"]], { a: [0, 1] }],
  ["an object becomes something else", { a: { x: 1 } }, { a: { x: 2 } }, { a: 3 }, [["a"]], { a: 3 }],
  ["deep", { p: { x: 1, y: 1 } }, { p: { x: 2, y: 2 } }, { p: { x: 3, y: 1 } }, [["p", "x"]], { p: { x: 3, y: 2 } }],
];
for (const [what, base, mine, theirs, paths, merged] of conflicting) {
  const result = merge(base, mine, theirs);
  check(`${what}: where`, result.conflicts.map((conflict) => conflict.path), paths);
  check(`${what}: what is beside it`, result.merged, merged);
}

check("what is taken is named", merge({ a: 1, b: 1, c: 1 }, { a: 2, b: 1, c: 1 }, { a: 1, b: 2, c: 1 }).taken, [["b"]]);

for (const [what, from, to, patch] of [
  ["nothing", { a: 1 }, { a: 1.0 }, undefined],
  ["the order of members is nothing", { a: 1, b: 2 }, { b: 2, a: 1 }, undefined],
  ["the smallest change", { a: { x: 1, y: 1 }, b: 1 }, { a: { x: 2, y: 1 }, b: 1 }, { a: { x: 2 } }],
  ["a member goes", { a: 1, b: 1 }, { b: 1 }, { a: null }],
  ["a list is sent whole", { a: [1, null] }, { a: [1, null, 2] }, { a: [1, null, 2] }],
]) {
  check(what, difference(from, to), patch);
}

for (const [what, document, path, value, expected] of [
  ["a member", { a: 1 }, ["a"], 2, { a: 2 }],
  ["a new one", { a: 1 }, ["b"], 2, { a: 1, b: 2 }],
  ["deep", { a: { x: 1, y: 1 } }, ["a", "y"], 2, { a: { x: 1, y: 2 } }],
  ["away", { a: { x: 1, y: 1 } }, ["a", "y"], undefined, { a: { x: 1 } }],
  ["away with what is not there", { a: 1 }, ["b"], undefined, { a: 1 }],
]) {
  check(`put ${what}`, put(document, path, value), expected);
}

// ---- Properties, for documents by chance (always the same ones). ----

let seed = 7;
function below(limit) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * limit);
}

function anyValue(depth) {
  switch (below(depth > 0 ? 6 : 3)) {
    case 0:
      return below(3);
    case 1:
      return ["", "woof"][below(2)];
    case 2:
      return below(2) === 0;
    case 3:
      return [below(2), below(2)];
    default:
      return anyDocument(depth - 1);
  }
}

function anyDocument(depth = 3) {
  const names = ["a", "b", "c", "__proto__", "toString"].filter(() => below(2) === 0);
  return Object.fromEntries(names.map((name) => [name, anyValue(depth)]));
}

// Near to another one, so that merges have something in common.
function edited(document) {
  const rest = Object.entries(document).filter(() => below(4) > 0);
  const values = rest.map(([name, value]) => [name, below(3) === 0 ? anyValue(2) : value]);
  return below(3) === 0 ? Object.fromEntries([...values, ["d", anyValue(1)]]) : Object.fromEntries(values);
}

for (let round = 0; round < 2000; round += 1) {
  const base = anyDocument();
  const [mine, theirs] = [edited(base), edited(base)];
  const as = JSON.stringify({ base, mine, theirs });
  check(`${as}: who edits alone gets it`, merge(base, mine, base).merged, mine);
  check(`${as}: who edits nothing takes theirs`, merge(base, base, theirs).merged, theirs);
  const [one, other] = [merge(base, mine, theirs), merge(base, theirs, mine)];
  check(`${as}: conflicts do not depend on the side`, one.conflicts.length, other.conflicts.length);
  if (one.conflicts.length === 0) {
    check(`${as}: nor does what is merged`, one.merged, other.merged);
  }
  const mended = one.conflicts.reduce((document, { path, mine }) => put(document, path, mine), one.merged);
  check(`${as}: what is decided is settled`, merge(theirs, mended, theirs).conflicts, []);
  const patch = difference(base, mine);
  check(`${as}: a patch leads there`, patch === undefined ? base : patched(base, patch), mine);
}
