"""The mail server does every wrong thing at every moment: each mail comes to the state that delivery contract 2 and 3 give it."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.services import Postgres, wait_until
from tests.storm.judging import Job, report
from tests.storm.stack import SIZE, Feeder, MailServer, Stack, configuration, mail_server

pytestmark = pytest.mark.postgres
PHASES = ("greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot", "next")
KINDS = ("drop", "rst", "junk", "4xx", "5xx", "421")
LEASE = 3
LOGIN: dict[str, Any] = {"login": "relay", "password": "right-1"}


def expected(phase: str, kind: str) -> set[str]:
    """The states that a mail may have after this."""
    if phase in {"body", "dot"} and kind in {"drop", "rst", "junk"}:
        return {"unknown"}
    if phase == "next" and kind in {"drop", "rst"}:
        return {"deferred", "sent"}  # a kept connection that has gone is no word about the mail
    return {"failed"} if kind == "5xx" and phase != "starttls" else {"deferred"}  # TLS: tried again, never without


def most_arrivals(phase: str, kind: str) -> int:
    """How often the server may have taken such a mail."""
    return 1 if (phase == "dot" and kind in {"drop", "rst", "junk"}) or (phase == "next" and kind in {"drop", "rst"}) else 0


def doors(kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    named = {f"{phase}-{kind}": (phase, kind) for phase in PHASES for kind in kinds}
    return [{"name": name, "starttls": True, "fault": fault, **LOGIN} for name, fault in named.items()]


def prepared(stack: Stack, server: MailServer) -> None:
    """An account for each door; one connection where a second mail is to follow the first, and a door without fault."""
    accounts = {name: server.connection(name, starttls=True, **LOGIN) for name in server.ports}
    for name, account in accounts.items():
        account["max_connections"] = 1 if name.startswith("next-") else 3
    stack.configure(configuration(accounts))


def submitted(feeder: Feeder, server: MailServer) -> dict[str, int]:
    """Door → the mail that meets its fault; before each of the "next" ones another goes."""
    kept = [name for name in server.ports if name.startswith("next-")]
    feeder.submit("bernd", kept, len(kept))
    names = list(server.ports)
    answer = feeder.submit("bernd", names, len(names), first=len(names) * 1000)
    return dict(zip(names, answer["ids"], strict=True))


def test_each_fault_at_each_moment_gives_its_state_and_no_second_mail(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    stack = Stack.of(postgres, migrated, tmp_path, SWEEP_SECONDS="0.5")
    began = time.monotonic()
    with mail_server(tmp_path / "mail", *doors(KINDS), {"name": "good", "starttls": True, **LOGIN}) as server:
        prepared(stack, server)
        with stack.feeder() as feeder:
            mails = submitted(feeder, server)
            with stack.crew(1):
                wait_until(lambda: not _under_way(stack), seconds=60, what="a first try of each mail")
                seconds = time.monotonic() - began
                again = feeder.submit("bernd", "auth-5xx", 1, first=10_000_000)["ids"][0]
                time.sleep(2)
                jobs = {job.id: job for job in stack.jobs()}
        times = Counter(arrival.message_id for arrival in server.arrivals)
        logins = len(server.events_of("refused login", "auth-5xx"))
    wrong = _wrong(mails, jobs, times)
    report(
        "Faults of the server",
        {
            "faults": len(mails) - 1,
            "states": Counter(job.state for job in jobs.values()),
            "first tries done after": seconds,
            "wrong": wrong,
            "seconds": time.monotonic() - began,
        },
    )
    assert wrong == []
    assert (jobs[mails["good"]].state, times[jobs[mails["good"]].message_id]) == ("sent", 1)
    assert (jobs[again].state, logins) == ("new", 1), "a refused login is not tried a second time, its other mail waits"
    assert set(times.values()) == {1}, "nothing arrived twice"


def _under_way(stack: Stack) -> int:
    states = stack.states()
    return states["new"] + states["sending"]


def _wrong(mails: dict[str, int], jobs: dict[int, Job], times: Counter[str]) -> list[str]:
    found = []
    for name, number in mails.items():
        phase, _, kind = name.partition("-")
        job = jobs[number]
        arrivals = times[job.message_id]
        if not kind:
            continue
        if job.state not in expected(phase, kind):
            found.append(f"{name}: {job.state}")
        if arrivals > most_arrivals(phase, kind):
            found.append(f"{name}: arrived {arrivals} times")
    return found


def test_a_server_that_hangs_holds_up_its_own_mail_only(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    """At full size until the portal gives up by itself; else the worker is killed while it waits."""
    stack = Stack.of(postgres, migrated, tmp_path, SWEEP_SECONDS="0.5", LEASE_SECONDS=str(LEASE))
    began = time.monotonic()
    with mail_server(tmp_path / "mail", *doors(("hang",)), {"name": "good", "starttls": True, **LOGIN}) as server:
        prepared(stack, server)
        with stack.feeder() as feeder:
            mails = submitted(feeder, server)
            with stack.crew(1):
                wait_until(lambda: server.count("good") == 1, seconds=30, what="the good mail")
                wait_until(lambda: len(server.events_of("fault")) >= len(PHASES), seconds=30, what="all doors to hang")
                time.sleep(2 * LEASE)  # their leases are prolonged meanwhile
                hanging = {job.id: job for job in stack.jobs()}
                if SIZE >= 1:
                    wait_until(lambda: all(job.attempts for job in stack.jobs()), seconds=720, what="the portal to give up")
            if SIZE < 1:
                for name in mails:
                    server.change(name, fault=["", ""])
                with stack.crew(1):
                    wait_until(lambda: not _under_way(stack), seconds=30, what="the end of the leases")
        jobs = {job.id: job for job in stack.jobs()}
        times = Counter(arrival.message_id for arrival in server.arrivals)
    states = {name: jobs[number].state for name, number in mails.items()}
    report("Hanging servers", {**states, "seconds": time.monotonic() - began})
    in_doubt = {"body-hang", "dot-hang"}
    for name, number in mails.items():
        # The TLS handshake ends after ten seconds.
        assert name == "good" or hanging[number].state == "sending" or name == "starttls-hang", name
        after = {"unknown"} if name in in_doubt else {"sent"} if name == "good" or SIZE < 1 else {"deferred", "sending"}
        assert states[name] in after, name
        assert times[jobs[number].message_id] == (after == {"sent"} or name == "dot-hang"), name
