"""Send systems 2 and 3: where the process's Kerberos identity comes from, how long it lasts, what is said when it is missing."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from mailjobs import delivery
from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.models import MailJob
from mailjobs.remedies import remedy_for, say_error
from mailjobs.submission import submit
from mailjobs.transports import kerberos as identity_of_process
from mailjobs.transports import smtp_gssapi
from mailjobs.transports.smtp_connection import Timeouts
from tests.cast import invoice, move_in, user
from tests.peers.fixtures import Kerberos, Postfix
from tests.services import free_port, wait_until
from tests.transports.letters import SHORT, STRANGER, Letter

pytestmark = pytest.mark.peers


@pytest.fixture
def endpoint(postfix: Postfix) -> Endpoint:
    return postfix.endpoint("submission", "starttls", send_system=2)


async def log_in(endpoint: Endpoint, timeouts: Timeouts = SHORT) -> None:
    await (await smtp_gssapi.open_session(endpoint, timeouts=timeouts)).close()


async def refused(endpoint: Endpoint, timeouts: Timeouts = SHORT) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await log_in(endpoint, timeouts)
    return caught.value


async def name() -> str:
    return (await identity_of_process.identity()).principal


async def test_a_keytab_goes_before_a_ticket_that_lies_about(kerberos: Kerberos, endpoint: Endpoint) -> None:
    kerberos.ticket("bernd", cache=kerberos.default_cache)
    assert await name() == "bernd@TEST.LOCAL"
    kerberos.use_keytab(kerberos.keytab("anna"))
    assert await name() == "anna@TEST.LOCAL"
    session = await smtp_gssapi.open_session(endpoint, timeouts=SHORT)
    outcome = await Letter().over(session, STRANGER, sender="bernd@test.local")
    assert outcome.recipients[STRANGER].code == 553
    await session.close()


async def test_a_keytab_that_is_replaced_counts_at_once(kerberos: Kerberos) -> None:
    keytab = kerberos.folder / "portal.keytab"
    for owner in ("anna", "bernd"):
        keytab.write_bytes(kerberos.keytab(owner).read_bytes())
        kerberos.use_keytab(keytab)
        assert await name() == f"{owner}@TEST.LOCAL"


async def test_a_keytab_renews_its_tickets_by_itself_and_a_cache_does_not(kerberos: Kerberos, endpoint: Endpoint) -> None:
    kerberos.configure(ticket_lifetime="3s")
    kerberos.use_keytab(kerberos.keytab("anna"))
    await log_in(endpoint)
    await asyncio.sleep(4)
    assert (await identity_of_process.identity()).seconds > 0
    await log_in(endpoint)
    kerberos.forget()
    kerberos.use_cache(kerberos.ticket("anna", lifetime="2s"))
    await log_in(endpoint)
    await asyncio.sleep(3)
    error = await refused(endpoint)
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.TICKET_EXPIRED)
    assert classify(error.phase, None, error.trouble) is ReplyClass.IDENTITY_MISSING


@pytest.mark.parametrize(("lifetime", "warned"), [("90m", True), ("9h", False)])
async def test_a_ticket_near_its_end_is_said_once_beforehand(
    kerberos: Kerberos, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, lifetime: str, warned: bool
) -> None:
    monkeypatch.setattr(smtp_gssapi, "_warning", smtp_gssapi._Warning())
    kerberos.configure(ticket_lifetime=lifetime)
    kerberos.use_keytab(kerberos.keytab("anna"))
    with capture_logs() as lines:
        await log_in(endpoint)
    assert lines == [], "a keytab needs nobody"
    kerberos.forget()
    kerberos.use_cache(kerberos.ticket("anna", lifetime=lifetime))
    with capture_logs() as lines:
        await log_in(endpoint)
        await log_in(endpoint)
    found = [(line["log_level"], line["principal"], line["minutes"] in range(85, 91)) for line in lines]
    assert found == ([("warning", "anna@TEST.LOCAL", True)] if warned else [])


async def test_nothing_is_there(kerberos: Kerberos, endpoint: Endpoint) -> None:
    error = await refused(endpoint)
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.NO_TICKET)
    assert error.detail.endswith(", KRB5_CLIENT_KTNAME=not set, KRB5CCNAME=not set")
    kerberos.use_cache("FILE:/nowhere/cache")
    error = await refused(endpoint)
    assert (error.trouble, "KRB5CCNAME=FILE:/nowhere/cache" in error.detail) == (Trouble.NO_TICKET, True)
    kerberos.forget()
    kerberos.use_keytab(kerberos.folder / "none.keytab")
    error = await refused(endpoint)
    assert (error.trouble, error.detail) == (Trouble.NO_TICKET, f"{kerberos.folder}/none.keytab: No such file or directory")


async def test_an_account_that_the_domain_refuses_pauses_the_login(kerberos: Kerberos, endpoint: Endpoint) -> None:
    """Trying a refused key again and again would lock it (J8); a ticket that is missing may come at any moment."""
    for keytab in (kerberos.wrong_keytab("anna"), kerberos.wrong_keytab("nobody")):
        kerberos.use_keytab(keytab)
        error = await refused(endpoint)
        assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.TICKET_REFUSED)
        assert classify(error.phase, None, error.trouble) is ReplyClass.LOGIN_REFUSED


async def test_the_realm_does_not_know_the_mail_server(kerberos: Kerberos, postfix: Postfix) -> None:
    kerberos.use_keytab(kerberos.keytab("anna"))
    error = await refused(postfix.endpoint("submission", "starttls", host="127.0.0.1", send_system=2))
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.SERVICE_UNKNOWN)
    assert classify(error.phase, None, error.trouble) is ReplyClass.CONFIGURATION


async def test_the_clocks_differ(kerberos: Kerberos, endpoint: Endpoint) -> None:
    kerberos.configure(clockskew=-5, kdc_timesync=0)  # less than no difference at all is too much
    kerberos.use_keytab(kerberos.keytab("anna"))
    assert (await refused(endpoint)).trouble is Trouble.CLOCK_SKEW


async def test_no_kdc_answers(kerberos: Kerberos, endpoint: Endpoint) -> None:
    kerberos.use_keytab(kerberos.keytab("anna"))
    kerberos.lose_kdc(free_port())
    error = await refused(endpoint)
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.KDC_UNREACHABLE)


@pytest.fixture
def silent_kdc() -> Iterator[int]:
    """Takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(20)
        yield listening.getsockname()[1]


async def test_a_kdc_that_keeps_silent_keeps_nobody_else_waiting(kerberos: Kerberos, endpoint: Endpoint, silent_kdc: int) -> None:
    kerberos.use_keytab(kerberos.keytab("anna"))
    kerberos.lose_kdc(silent_kdc)
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    ticking = asyncio.create_task(tick())
    begun = time.monotonic()
    error = await refused(endpoint, Timeouts(connect=1.5, command=5))
    ticking.cancel()
    assert error.trouble is Trouble.KDC_UNREACHABLE
    assert time.monotonic() - begun < 4
    assert longest < 1, "the loop stood still while the KDC was waited for"


async def test_the_library_is_not_installed(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_of_process, "gssapi", None)
    error = await refused(endpoint)
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.LIBRARIES_MISSING)
    assert error.detail == "apt-get install gcc libkrb5-dev python3-dev, then make kerberos"


@pytest.mark.django_db(transaction=True)
def test_queued_mail_waits_for_a_ticket_and_goes_by_itself_when_there_is_one(
    kerberos: Kerberos, postfix: Postfix, settings: Any
) -> None:
    """Nobody has to reset or release anything; a direct mail has failed and says why in words."""
    settings.RETRY_TIME_FACTOR = 0.001
    server = {"smtp_server": "localhost", "smtp_port": postfix.ports["submission"], "ca_certificate": postfix.ca_certificate}
    parameters = {**server, "sender_address": "anna@test.local", "confirm_shared_identity": True}
    move_in(parameters={**parameters, "send_system": 2})
    direct = submit(user("bernd"), invoice())
    assert (direct.status, direct.message.startswith("no_ticket: ")) == ("failed", True)
    assert say_error(direct.message).startswith("The portal has no Kerberos ticket: ")
    remedy = remedy_for(direct.message, state="failed")
    assert remedy is not None
    assert str(remedy.title) == "The portal has no valid Kerberos ticket of its own"
    move_in(parameters={**parameters, "send_system": 3})
    submit(user("bernd"), invoice(2))
    delivery.run(until_empty=True)
    job = MailJob.objects.get(direct=False)
    assert (job.state, job.last_error.partition(":")[0]) == ("deferred", "no_ticket")
    kerberos.ticket("anna", cache=kerberos.default_cache)
    wait_until(lambda: delivery.run(until_empty=True).document()["sent"], what="the mail goes out")
    job.refresh_from_db()
    assert job.state == "sent"
    assert len(postfix.delivered(job.message_id)) == 1
