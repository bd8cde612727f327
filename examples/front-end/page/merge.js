// Three versions of a document, and what becomes of them: the one that an edit
// began from (`base`), what the user made of it (`mine`), and what others made
// of it in the meantime (`theirs`).
//
// Everything here is a function over JSON values. `undefined` is a member that
// is not there. No argument is ever changed.
//
// What JavaScript cannot hold, an integer beyond 2^53, it rounds when it reads.
// Nothing of that is written back unless the user edits it: only differences
// are sent, and equal values are none.

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

// By `fromEntries`, since a member can be called `__proto__`.
const objectOf = (entries) => Object.fromEntries(entries.filter(([, value]) => value !== undefined));

const member = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

const names = (...objects) => [...new Set(objects.flatMap((object) => Object.keys(object)))];

/** Whether two values are the same JSON, whatever the order of members. */
export function same(a, b) {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value, index) => same(value, b[index]));
  }
  if (isObject(a) && isObject(b)) {
    return names(a, b).every((name) => same(member(a, name), member(b, name)));
  }
  return a === b;
}

/**
 * Brings two edits of one document together.
 *
 * What only one side changed is taken from that side, also deep within objects;
 * arrays and everything else are one piece. What both changed, and differently,
 * is a conflict: `merged` has their version of it, until somebody decides.
 * `taken` are the paths of what others alone have changed.
 */
export function merge(base, mine, theirs) {
  const conflicts = [];
  const taken = [];
  const together = (base, mine, theirs, path) => {
    if (same(mine, theirs) || same(base, theirs)) {
      return mine;
    }
    if (same(base, mine)) {
      taken.push(path);
      return theirs;
    }
    if (isObject(base) && isObject(mine) && isObject(theirs)) {
      const members = names(theirs, mine, base).map((name) => [
        name,
        together(member(base, name), member(mine, name), member(theirs, name), [...path, name]),
      ]);
      return objectOf(members);
    }
    conflicts.push({ path, base, mine, theirs });
    return theirs;
  };
  return { merged: together(base, mine, theirs, []), conflicts, taken };
}

/** The document with another value at a path; with `undefined`, without what is there. */
export function put(document, path, value) {
  if (path.length === 0) {
    return value;
  }
  const [name, ...rest] = path;
  const object = isObject(document) ? document : {};
  const changed = put(member(object, name), rest, value);
  return objectOf(names(object, { [name]: 0 }).map((known) => [known, known === name ? changed : object[known]]));
}

/** The smallest merge patch (RFC 7396) that makes `to` of `from`; `undefined` if they are the same. */
export function difference(from, to) {
  if (same(from, to)) {
    return undefined;
  }
  if (!isObject(from) || !isObject(to)) {
    return to;
  }
  const changes = names(from, to).map((name) => {
    const [before, after] = [member(from, name), member(to, name)];
    return [name, after === undefined ? null : difference(before, after)];
  });
  return objectOf(changes);
}

/** What a merge patch makes of a document. */
export function patched(document, patch) {
  if (!isObject(patch)) {
    return patch;
  }
  const from = isObject(document) ? document : {};
  const members = names(from, patch).map((name) => {
    const change = member(patch, name);
    if (change === undefined) {
      return [name, from[name]];
    }
    return [name, change === null ? undefined : patched(member(from, name), change)];
  });
  return objectOf(members);
}
