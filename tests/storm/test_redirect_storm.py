"""Redirect toggled again and again while mails are queued and delivered (U2, U4).

Nobody real gets a mail while it is on, nor later one that was queued meanwhile. Processes as in earnest: PostgreSQL, two engines,
one that submits, one that toggles. A twentieth by default; `make storm` runs all of it (STORM_SIZE=1) and prints the report.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.cast import document
from tests.production.test_postgres import ROOT, environment, manage
from tests.services import CountingServer, Postgres, Received, wait_until
from tests.storm.roles import PROBES

pytestmark = pytest.mark.postgres
SIZE = float(os.environ.get("STORM_SIZE") or 0.05)
JOBS, TIMES_ON = max(round(10_000 * SIZE), 100), max(round(100 * SIZE), 3)
LEVELS = {"bernd": ("huber", "bernd"), "anna": ("huber",), "mia": ("huber", "muster"), "eva": ("huber",)}


@dataclass(frozen=True)
class Span:
    """From when to when, by the clock all processes share."""

    start: float
    end: float

    def holds(self, other: "Span") -> bool:
        return self.start <= other.start and other.end <= self.end


class SlowServer(CountingServer):
    """Takes its time over the envelope and over the body, so that a toggle often falls between the two, or into the latter."""

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        await asyncio.sleep(0.01)
        return await super().handle_RCPT(server, session, envelope, address, options)


@dataclass
class Role:
    """A process of `tests.storm.roles`, and what it has told so far."""

    process: subprocess.Popen[str]
    told: list[dict[str, Any]] = field(default_factory=list)

    def read(self, output: IO[str]) -> None:
        self.told.extend(json.loads(line) for line in output)

    def stop(self) -> None:
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0


@contextmanager
def playing(role: str, env: dict[str, str]) -> Iterator[Role]:
    command = [sys.executable, "-m", "tests.storm.roles", role, "november"]
    process = subprocess.Popen(command, env=env, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    played = Role(process)
    reader = threading.Thread(target=played.read, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        yield played
        played.stop()
        reader.join(timeout=10)
    finally:
        process.kill()
        process.wait()


@contextmanager
def delivering(env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "manage.py", "deliver", "--json"]
    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def forbidden(toggles: list[dict[str, Any]]) -> dict[str, list[Span]]:
    """By user when redirect was on beyond doubt: from the return of the call that switches a level on to the one that ends it."""
    spans: dict[str, list[Span]] = {level: [] for level in PROBES}
    since: dict[str, float] = {}
    for toggle in toggles:
        level = toggle["level"]
        if toggle["on"]:
            since[level] = toggle["ended"]
        else:
            spans[level].append(Span(since.pop(level), toggle["began"]))
    assert not since, "the storm ends with redirect off everywhere"
    return {user: [span for level in levels for span in spans[level]] for user, levels in LEVELS.items()}


def unfinished(database: psycopg.Connection[Any]) -> int:
    row = database.execute("SELECT count(*) FROM mailjobs_mailjob WHERE state NOT IN ('sent', 'failed', 'unknown')").fetchone()
    return int(row[0]) if row else 0


def number_of(mail: Received) -> int:
    return int(str(mail.headers["Subject"]).removeprefix("Rechnung "))


def real(number: int) -> set[str]:
    return {f"klient{number}@kunde.example", f"cc{number}@kunde.example", f"bcc{number}@kunde.example"}


def test_u2_u4_no_real_recipient_gets_a_mail_while_redirect_is_on_nor_later_one_queued_meanwhile(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.create_database()
    env = environment(url, tmp_path, SWEEP_SECONDS="0.2", PYTHONPATH=str(ROOT))
    manage("migrate", "-v0", env=env)
    with ExitStack() as stack:
        server = stack.enter_context(SlowServer(keep_content=False, delay=0.01))
        configuration = document(server)
        configuration["firms"][0]["users"][0]["parameters"] = {"send_system": 0}  # Anna sends directly
        manage("settings", "import", "-", env=env, text=json.dumps(configuration))
        started = time.monotonic()
        engines = [stack.enter_context(delivering(env)) for _n in range(2)]
        with playing("submit", env) as submitter, playing("toggle", env) as toggler:

            def enough() -> bool:
                jobs = sum(len(each["numbers"]) for each in list(submitter.told))
                return jobs >= JOBS and sum(each["on"] for each in list(toggler.told)) >= TIMES_ON

            wait_until(enough, seconds=60 + 1200 * SIZE, what=f"{JOBS} jobs and {TIMES_ON} times on")
            toggler.stop()
        with psycopg.connect(url, autocommit=True) as database:
            wait_until(lambda: not unfinished(database), seconds=60 + 600 * SIZE, what="the end of the queue")
            states: Counter[str] = Counter(
                dict(database.execute("SELECT state, count(*) FROM mailjobs_mailjob GROUP BY state").fetchall())
            )
        for engine in engines:
            engine.send_signal(signal.SIGTERM)
        summaries = [json.loads(engine.communicate(timeout=60)[0]) for engine in engines]
        seconds = time.monotonic() - started
        received = list(server.received)
    report = judge(received, submitter.told, toggler.told)
    jobs = sum(len(each["ids"]) for each in submitter.told)
    report |= {"states": states, "workers": [summary["sent"] for summary in summaries], "seconds": round(seconds)}
    print("\nRedirect storm", *(f"  {name}: {_told(value)}" for name, value in {"jobs": jobs, **report}.items()), sep="\n")
    assert report["violations"] == []
    assert states == {"sent": jobs}, "nothing failed, nothing is uncertain, nothing waits"
    assert sorted(map(number_of, received)) == list(range(1, jobs + 1)), "every mail once, none lost"
    assert set(Counter(mail.message_id for mail in received).values()) == {1}
    assert all(summary["sent"] > jobs / 10 for summary in summaries), "both workers took part"
    for phase in ("redirected while on", "real while off"):
        assert report["arrivals"][phase] > jobs / 20, f"a storm without {phase} shows nothing"


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def judge(received: list[Received], submissions: list[dict[str, Any]], toggles: list[dict[str, Any]]) -> dict[str, Any]:
    """Each arrival against the toggles: what arrived when, and what must not have been."""
    on = forbidden(toggles)
    origin = {number: each for each in submissions for number in each["numbers"]}
    arrivals: Counter[str] = Counter()
    violations: list[str] = []
    for mail in received:
        number = number_of(mail)
        submission = origin[number]
        spans = on[submission["user"]]
        meanwhile = any(span.holds(Span(submission["began"], submission["ended"])) for span in spans)
        is_on = any(span.holds(Span(mail.at, mail.at)) for span in spans)
        to_real = set(mail.recipients) == real(number)
        arrivals[f"{'real' if to_real else 'redirected'} while {'on' if is_on else 'off'}"] += 1
        if to_real and is_on:
            violations.append(f"{number} of {submission['user']} reached real people while redirect was on")
        if to_real and meanwhile:
            violations.append(f"{number} of {submission['user']} was queued while redirect was on and reached real people")
        if not to_real and not (len(mail.recipients) == 1 and set(mail.recipients) <= set(PROBES.values())):
            violations.append(f"{number} reached {mail.recipients}")
    longest = max(toggle["ended"] - toggle["began"] for toggle in toggles)
    return {
        "toggles": len(toggles),
        "times on": Counter(toggle["level"] for toggle in toggles if toggle["on"]),
        "longest call": round(longest, 3),
        "arrivals": arrivals,
        "queued while on": sum(
            len(each["numbers"])
            for each in submissions
            if any(span.holds(Span(each["began"], each["ended"])) for span in on[each["user"]])
        ),
        "violations": violations,
    }


def test_the_judge_sees_what_must_not_be() -> None:
    """The storm is worth what its judge is: each kind of violation is one."""
    toggles = [
        {"level": "huber", "on": True, "began": 1.0, "ended": 2.0},
        {"level": "huber", "on": False, "began": 5.0, "ended": 6.0},
    ]
    submissions = [
        {"user": "mia", "numbers": [1, 2], "began": 0.0, "ended": 0.5},
        {"user": "mia", "numbers": [3], "began": 3.0, "ended": 3.5},
    ]

    def arrival(number: int, at: float, *recipients: str) -> Received:
        head = f"Subject: Rechnung {number}\r\nMessage-ID: <{number}@x.example>\r\n".encode()
        return Received("office@kanzlei-huber.example", recipients or tuple(real(number)), head, None, over_tls=True, at=at)

    innocent = [arrival(1, 1.9), arrival(2, 5.1), arrival(3, 4.0, PROBES["huber"])]
    assert judge(innocent, submissions, toggles)["violations"] == []
    for guilty in (arrival(1, 2.0), arrival(2, 5.0), arrival(3, 9.0), arrival(3, 4.0, PROBES["huber"], "klient3@kunde.example")):
        assert len(judge([guilty], submissions, toggles)["violations"]) == 1
