#!/usr/bin/env python3
"""A worker: asks a Heeler service for jobs, and runs a command for each.

    worker.py URL OPERATION COMMAND [ARGUMENT...]

The command reads the job as JSON from its standard input. What it prints is the
result of the job, and another exit code than 0 is a failure. It is told to stop
when the job is cancelled, or when the lease of the job is over.

WORKER_NAME   how this worker calls itself; the name of the machine by default
WORKER_AUTH   the token that `[auth]` of the service asks for, if it does

Needs nothing but Python 3.8 or later. Ends at SIGTERM, after the job at hand.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

NAME = os.environ.get("WORKER_NAME") or socket.gethostname()
# One request may take so long, beside the time that it asks to wait.
PATIENCE = 10
POLL = 30
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Away(Exception):
    """The service does not answer, or not now."""


class Refused(Exception):
    """The service answered, and the answer is no."""

    def __init__(self, status, problem):
        super().__init__(f"{status} {problem}")
        self.status = status


def say(text):
    print(f"{NAME}: {text}", file=sys.stderr, flush=True)


def ask(method, url, body=None, media="application/json", wait=0):
    """One request: the JSON of its answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", media)
    if "WORKER_AUTH" in os.environ:
        request.add_header("Authorization", "Bearer " + os.environ["WORKER_AUTH"])
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE + wait) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        if error.code == 429 or error.code >= 500:
            raise Away(f"{error.code} {text}") from None
        raise Refused(error.code, text) from None
    except (OSError, ValueError) as error:
        raise Away(error) from None


def backoff():
    """Pauses that grow to half a minute. They differ, so that workers which lost
    the service together do not come back together."""
    pause = 0.5
    while True:
        yield pause * random.uniform(0.5, 1)
        pause = min(pause * 2, 30)


class Job:
    """One attempt of a job, and the command that does its work."""

    def __init__(self, url, lease, item, command):
        self.job, self.token = item["job"], item["token"]
        self.url = url + self.job["_links"]["self"]["href"]
        self.lease = lease
        self.over = threading.Event()
        self.canceled = self.lost = False
        environment = dict(os.environ, HEELER_JOB=self.job["id"], HEELER_ATTEMPT=str(self.job["attempt"]))
        environment.pop("WORKER_AUTH", None)
        # In a group of its own, so that all of it can be told to stop.
        self.work = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, start_new_session=True,
        )

    def report(self, **said):
        return ask("PATCH", self.url, dict(said, token=self.token), "application/merge-patch+json")

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.work.pid, number)
            except ProcessLookupError:
                return
            if self.over.wait(5):
                return

    def beat(self):
        """Gives signs of life, until the work is over or is to be."""
        heard = time.monotonic()
        pause = self.lease / 3
        while not self.over.wait(pause):
            sent = time.monotonic()
            try:
                self.canceled = self.report()["canceled"]
                heard, pause = sent, self.lease / 3
            except Refused as refused:
                say(f"job {self.job['id']} is no longer ours: {refused}")
                self.lost = True
            except Away as away:
                say(f"cannot say that job {self.job['id']} goes on: {away}")
                # The service counts from when it heard us, which was later: when
                # this is over for us, nobody else has the job yet.
                pause = min(1, self.lease / 10)
                self.lost = time.monotonic() - heard >= self.lease
            if self.canceled or self.lost:
                self.stop()
                return

    def run(self):
        beating = threading.Thread(target=self.beat, daemon=True)
        beating.start()
        printed, complained = self.work.communicate(json.dumps(self.job).encode())
        self.over.set()
        beating.join()
        self.end(printed.decode(errors="replace").strip(), complained.decode(errors="replace").strip())

    def end(self, printed, complained):
        """Reports the end until that is heard: as often as it takes, it counts once."""
        code = self.work.returncode
        if code == 0:
            try:
                result = json.loads(printed)
            except ValueError:
                result = printed
            said = {"phase": "succeeded", "result": result}
        elif self.canceled:
            said = {"phase": "canceled"}
        else:
            line = complained.splitlines()[-1] if complained else f"it ended with {code}"
            said = {"phase": "failed", "error": {"reason": f"Exit{code}", "message": line}}
        for pause in backoff():
            try:
                self.report(**said)
                return say(f"job {self.job['id']} {said['phase']}")
            except Refused as refused:
                return say(f"the end of job {self.job['id']} is refused: {refused}")
            except Away as away:
                say(f"cannot say that job {self.job['id']} {said['phase']}: {away}")
                time.sleep(pause)


def seconds(text):
    """The length of `1m 30s`."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|[smhd])", text))


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    url, operation, command = sys.argv[1].rstrip("/"), sys.argv[2], sys.argv[3:]
    operation = f"{url}/v1/operations/{operation}"
    busy, stopping = False, False

    def stop(*_):
        nonlocal stopping
        stopping = True
        if not busy:
            sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    pauses = backoff()
    while not stopping:
        try:
            lease = seconds(ask("GET", operation)["lease"])
            wanted = {"worker": NAME, "max": 1, "wait": f"{POLL}s"}
            items = ask("POST", operation + "/leases", wanted, wait=POLL)["items"]
            pauses = backoff()
        except Refused as refused:
            sys.exit(f"{NAME}: {refused}")
        except Away as away:
            say(f"the service is away: {away}")
            time.sleep(next(pauses))
            continue
        for item in items:
            busy = True
            Job(url, lease, item, command).run()
            busy = False


if __name__ == "__main__":
    main()
