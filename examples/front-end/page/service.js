// Requests to a service. One that is not answered is sent again until it is,
// with the same `Idempotency-Key`: so it is made once, however often it is sent.

// No answer takes longer, but on a connection that is dead.
const PATIENCE_MS = 30_000;
const PAUSE_MS = { first: 500, most: 5_000 };
// The service did not do it, or does not know whether it did. Either way the same request may be sent again.
const SEND_AGAIN = new Set(["key-in-flight", "busy", "outcome-unknown", "stopping"]);

/** The service said no, with a reason. */
export class Refused extends Error {
  constructor(answer) {
    super(answer.body?.detail ?? `the service answered ${answer.status}`);
    this.status = answer.status;
    /** What is wrong with which part of the document: `{ pointer, detail }`. */
    this.errors = answer.body?.errors ?? [];
  }
}

/** Nobody waits for the answer any more. Whether the request was heard is not known. */
export class GivenUp extends Error {
  constructor() {
    super("there was no answer, so whether the service has heard it is not known");
  }
}

export class Service {
  /** `onAway(times)` hears how often in a row a request was not answered; `onAway(0)` that it is now. */
  constructor(base, { onAway }) {
    this.base = new URL(base);
    this.onAway = onAway;
  }

  /** Where a link of a document leads, or a path of the service. */
  url(href) {
    return new URL(href, this.base);
  }

  /** The answer with 2xx. Anything else is `Refused`. */
  async ask(method, href, options) {
    const answer = await this.answer(method, href, options);
    if (answer.status < 200 || answer.status > 299) {
      throw new Refused(answer);
    }
    return answer;
  }

  /** Whatever the answer is: `{ status, etag, location, body }`, with a body of JSON or `null`. */
  async answer(method, href, { headers = {}, body, key, signal } = {}) {
    const request = {
      method,
      headers: { Accept: "application/json", ...headers, ...(key === undefined ? {} : { "Idempotency-Key": key }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    };
    for (let times = 1, pause = PAUSE_MS.first; ; times += 1, pause = Math.min(2 * pause, PAUSE_MS.most)) {
      const answer = await attempt(this.url(href), request, signal);
      if (answer !== null && !SEND_AGAIN.has(answer.problem)) {
        this.onAway(0);
        return answer;
      }
      this.onAway(times);
      await rest(answer?.retryAfterMs ?? pause, signal);
    }
  }
}

/** The answer, or `null` if there is none. */
async function attempt(url, request, signal) {
  const late = AbortSignal.timeout(PATIENCE_MS);
  try {
    const response = await fetch(url, { ...request, signal: signal ? AbortSignal.any([signal, late]) : late });
    const text = await response.text();
    const body = text === "" ? null : JSON.parse(text);
    return {
      status: response.status,
      etag: response.headers.get("ETag"),
      location: response.headers.get("Location"),
      retryAfterMs: Number(response.headers.get("Retry-After") ?? NaN) * 1000 || undefined,
      problem: response.ok ? undefined : body?.type?.split("/").pop(),
      body,
    };
  } catch {
    // Refused, cut off, or cut short: fetch does not say which.
    givenUp(signal);
    return null;
  }
}

function givenUp(signal) {
  if (signal?.aborted) {
    throw new GivenUp();
  }
}

async function rest(ms, signal) {
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
  });
  givenUp(signal);
}
