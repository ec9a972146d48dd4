"""Who was first: a call that switches redirect on, a submission under way, a mail on the wire (U2, U4)."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, transaction

from mailjobs import delivery, finishing, queue, storing, submission
from mailjobs.models import MailJob
from mailjobs.submission import submit, submit_many
from mailsettings import changes
from tests.cast import invoice, move_in, user
from tests.mailjobs.redirecting import arrived, change, deliver, just_before_the_body, owner_of, switch, tenant
from tests.services import CountingServer, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PROBE = "probe@kanzlei-huber.example"


class Beside(threading.Thread):
    """Does something in a thread with a database connection of its own; `seconds` is how long it took."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.work, self.seconds = work, 0.0
        self.error: BaseException | None = None

    def run(self) -> None:
        started = time.monotonic()
        try:
            self.work()
        except BaseException as error:
            self.error = error
        finally:
            self.seconds = time.monotonic() - started
            connections.close_all()

    def done(self, *, within: float = 30.0) -> float:
        self.join(within)
        assert not self.is_alive(), "it still waits"
        if self.error is not None:
            raise self.error
        return self.seconds


# U4: what is decided under the settings that were read, but stored later


@pytest.mark.parametrize("owner", ["firm", "com customer", "user"])
def test_u4_a_submission_that_read_before_the_switch_and_stores_after_it_counts_as_queued_under_redirect(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    move_in(smtp_server)
    store = submission._submit_chunk
    switched: list[bool] = []

    def switch_first(*arguments: object) -> object:
        if not switched:
            switched.append(True)
            switch("on", PROBE, owner=owner_of(owner))
        return store(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(submission, "_submit_chunk", switch_first)
    submit(user("mia"), invoice())
    assert MailJob.objects.get().redirected_then == [PROBE]
    switch("off", PROBE, owner=owner_of(owner))
    deliver()
    assert arrived(smtp_server) == {PROBE}


def test_u4_the_chunks_of_one_submission_are_judged_each_by_its_own_moment(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_in(smtp_server)
    monkeypatch.setattr(submission, "BATCH", 2)
    store, steps = submission._submit_chunk, iter(["", "on", "off", "capture"])

    def step_first(*arguments: object) -> object:
        if mode := next(steps):
            switch(mode, PROBE)  # type: ignore[arg-type]
        return store(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(submission, "_submit_chunk", step_first)
    submit_many(user("bernd"), [invoice(n) for n in range(8)])
    then = list(MailJob.objects.order_by("pk").values_list("redirected_then", "captured_then"))
    assert then == [(None, False)] * 2 + [([PROBE], False)] * 2 + [(None, False)] * 2 + [([PROBE], True)] * 2


def test_u4_other_policies_changed_before_storing_are_obeyed_too(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3: check sender switched on between reading and storing refuses."""
    move_in(smtp_server)
    store = submission._submit_chunk

    def check_first(*arguments: object) -> object:
        change(tenant("huber"), check_sender=True)
        return store(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(submission, "_submit_chunk", check_first)
    assert submit(user("bernd"), invoice()).code == "check_sender_no_employee"


def test_u4_switching_waits_for_a_submission_that_is_being_stored_under_the_old_state(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nothing which was decided before can be committed after the call has returned."""
    move_in(smtp_server)
    store = storing.store
    threads: list[Beside] = []

    def switch_meanwhile(drafts: list[object]) -> None:
        store(drafts)  # type: ignore[arg-type]
        threads.append(Beside(lambda: switch("on", PROBE)))
        threads[0].start()
        time.sleep(0.5)
        assert threads[0].is_alive(), "the switch returned before the submission was committed"

    monkeypatch.setattr(submission, "store", switch_meanwhile)
    submit(user("bernd"), invoice())
    threads[0].done()
    deliver()
    assert arrived(smtp_server) == {PROBE}


def test_u4_a_submission_waits_for_a_switch_under_way_and_obeys_it(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    with transaction.atomic():
        switch("on", PROBE)
        thread = Beside(lambda: submit(user("bernd"), invoice()))
        thread.start()
        time.sleep(0.5)
        assert not MailJob.objects.exists()
    thread.done()
    assert MailJob.objects.get().redirected_then == [PROBE]


postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="several writers at once: only on PostgreSQL, see tests/production/test_postgres.py"
)


@postgresql
def test_u2_submissions_that_overlap_do_not_keep_a_switch_waiting_for_ever(smtp_server: CountingServer) -> None:
    """Share locks on a row do not queue: without a lock that does, this waits until the submitters pause."""
    move_in(smtp_server)
    stop = threading.Event()

    def submit_in_own_transactions() -> None:
        while not stop.is_set():
            with transaction.atomic():
                submit(user("bernd"), invoice())
                time.sleep(0.3)

    submitters = [Beside(submit_in_own_transactions) for _n in range(4)]
    for submitter in submitters:
        submitter.start()
        time.sleep(0.08)
    switching = Beside(lambda: switch("on", PROBE))
    switching.start()
    try:
        assert switching.done(within=5.0) < 2.0
    finally:
        stop.set()
        for submitter in submitters:
            submitter.done()


@postgresql
def test_u2_a_change_that_takes_long_does_not_cost_the_leases_of_what_is_on_the_wire(
    smtp_server: CountingServer, settings: Any
) -> None:
    """The engine has one database thread: while it waited for the change, no lease would be prolonged. So the mail goes back."""
    move_in(smtp_server)
    settings.LEASE_SECONDS = 4
    submit(user("bernd"), invoice())
    [job] = queue.claim("worker", 1)
    mark = queue.Mark(job.pk, job.epoch, (job.tenant_id,), tenant("huber").policy_epoch, 0)
    marked: list[list[bool]] = []
    with transaction.atomic():
        switch("on", PROBE)
        thread = Beside(lambda: marked.append(finishing.write([mark])))
        thread.start()
        assert 0.5 < thread.done(within=10.0) < 3.0
    assert marked == [[False]]
    assert MailJob.objects.get().on_wire_at is None


# U2: what is on the wire when the call is made


@pytest.mark.parametrize(("sender", "owner"), [("bernd", "firm"), ("mia", "firm"), ("mia", "com customer"), ("mia", "user")])
def test_u2_the_call_returns_when_a_slow_server_has_taken_what_was_on_the_wire(
    smtp_server: CountingServer, sender: str, owner: str
) -> None:
    """The firm's switch also waits for its Com customers' mail."""
    move_in(smtp_server)
    smtp_server.delay = 1.0
    submit(user(sender), invoice())
    engine = Beside(deliver)
    engine.start()
    wait_until(lambda: queue.on_wire([tenant("huber").pk]), what="a mail on the wire")
    switch("on", PROBE, owner=owner_of(owner))
    returned = time.monotonic()
    assert [mail.at < returned for mail in smtp_server.received] == [True]
    engine.done()


def test_u2_mail_of_another_com_customer_on_the_wire_is_not_waited_for(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    smtp_server.delay = 2.0
    submit(user("max"), invoice())
    engine = Beside(deliver)
    engine.start()
    wait_until(lambda: queue.on_wire([tenant("huber").pk]), what="a mail on the wire")
    switch("on", PROBE, owner=tenant("beispiel"))
    assert smtp_server.received == []
    engine.done()


def test_u2_mail_that_comes_on_the_wire_under_the_new_policy_does_not_prolong_the_wait(smtp_server: CountingServer) -> None:
    """The wire is never empty here: it is the mails of before that are waited for."""
    move_in(smtp_server)
    smtp_server.delay = 0.2
    submit_many(user("bernd"), [invoice(n) for n in range(90)])
    engine = Beside(deliver)
    engine.start()
    wait_until(lambda: len(smtp_server.received) > 6, what="some mails")
    started = time.monotonic()
    switch("on", PROBE)
    returned = time.monotonic()
    assert returned - started < 2.0
    assert engine.is_alive(), "most of the mails still go, to the redirect address"
    engine.done()
    late = {recipient for mail in smtp_server.received if mail.at > returned for recipient in mail.recipients}
    assert late == {PROBE}
    assert set(smtp_server.message_ids.values()) == {1}
    assert len(smtp_server.received) == 90


def test_u2_mails_prepared_before_a_switch_are_judged_anew_without_breaking_a_connection_off_for_each(
    smtp_server: CountingServer,
) -> None:
    move_in(smtp_server, parameters={"max_connections": 1})
    smtp_server.delay = 0.05
    submit_many(user("bernd"), [invoice(n) for n in range(40)])
    engine = Beside(deliver)
    engine.start()
    wait_until(lambda: smtp_server.received, what="the first mail")
    for mode in ("on", "off", "on", "off", "on"):
        switch(mode, PROBE)
    engine.done()
    assert len(smtp_server.received) == 40
    assert smtp_server.connections <= 1 + 5, "one at most for each switch, for the mail whose envelope was just being said"


def test_u2_the_wait_ends_with_the_mails_that_were_there_at_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another mail each time it looks, and the same mail again under another epoch."""
    wire = iter([{(1, 1), (2, 1)}, {(2, 1), (3, 1)}, {(2, 2), (4, 1)}])
    monkeypatch.setattr(queue, "on_wire", lambda _tenants: next(wire))
    delivery.wait_until_off_the_wire([1])
    with pytest.raises(StopIteration):
        next(wire)


def test_u2_a_lost_lease_ends_the_wait(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit(user("bernd"), invoice())
    [job] = queue.claim("gone", 1)
    mark = queue.Mark(job.pk, job.epoch, (job.tenant_id,), tenant("huber").policy_epoch, 0)
    assert queue.mark_on_wire([mark]) == [True]
    MailJob.objects.filter(pk=job.pk).update(lease_until=job.created_at)
    switch("on", PROBE)
    assert MailJob.objects.get().state == "unknown"


def test_u2_switching_tells_the_wire_of_the_tenant_that_changed() -> None:
    """The hook that `mailjobs` hangs into the settings is the real one."""
    assert delivery.wait_until_off_the_wire in changes.after_tightening


def test_s2_direct_mail_whose_policy_changes_at_the_last_moment_is_judged_anew_within_the_call(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_in(smtp_server, parameters={"send_system": 0})
    just_before_the_body(monkeypatch, lambda: switch("on", PROBE))
    result = submit(user("bernd"), invoice())
    assert result.status == "sent"
    assert arrived(smtp_server) == {PROBE}


def test_s2_direct_mail_gives_up_where_policies_change_without_end(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays new, and a worker takes it over."""
    move_in(smtp_server, parameters={"send_system": 0})
    monkeypatch.setattr("mailjobs.engine.DIRECT_SECONDS", 2.0)
    monkeypatch.setattr(queue, "mark_on_wire", lambda marks: [False] * len(marks))
    started = time.monotonic()
    assert submit(user("bernd"), invoice()).status in {"new", "failed"}
    assert time.monotonic() - started < 10
    assert smtp_server.received == []
