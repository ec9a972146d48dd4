"""The Kerberos identity of this process, and one security context from it (RFC 4121); MIT's library calls, off the event loop.

Which identity that is says the environment, as for every Kerberos program: KRB5_CLIENT_KTNAME (a keytab: tickets are fetched and
renewed from it) or KRB5CCNAME (a ticket cache that somebody else keeps fresh), KRB5_CONFIG for the realm. With a keytab nothing
else is used, whatever tickets lie about in the default cache.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

try:
    import gssapi
except ImportError:  # requirements-kerberos.txt is not installed, or libgssapi-krb5-2 is missing
    gssapi = None

from mailjobs.core.envelope import Phase, TransportError, Trouble
from mailjobs.transports.transcript import printable

KEYTAB, CACHE = "KRB5_CLIENT_KTNAME", "KRB5CCNAME"  # environment variables
LIBRARY = "apt-get install gcc libkrb5-dev python3-dev, then make kerberos"
THREADS = 4  # calls at once that may wait for a KDC; the loop's own threads look up names meanwhile
LONGEST_DETAIL = 200

T = TypeVar("T")

# Of krb5_err.et, as MIT's library gives them in the minor status. Trying again with a refused key can lock the account.
_TROUBLE_BY_MINOR = {
    -1765328383: Trouble.TICKET_REFUSED,  # KDC_ERR_NAME_EXP: the account has expired
    -1765328378: Trouble.TICKET_REFUSED,  # KDC_ERR_C_PRINCIPAL_UNKNOWN
    -1765328372: Trouble.TICKET_REFUSED,  # KDC_ERR_POLICY
    -1765328366: Trouble.TICKET_REFUSED,  # KDC_ERR_CLIENT_REVOKED: locked or disabled
    -1765328361: Trouble.TICKET_REFUSED,  # KDC_ERR_KEY_EXP: the password has expired
    -1765328360: Trouble.TICKET_REFUSED,  # KDC_ERR_PREAUTH_FAILED: the keytab's key is not the account's
    -1765328174: Trouble.TICKET_REFUSED,  # PREAUTH_FAILED: the same, found out here
    -1765328353: Trouble.TICKET_REFUSED,  # KRB_AP_ERR_BAD_INTEGRITY: the same, without preauthentication
    -1765328370: Trouble.TICKET_REFUSED,  # KDC_ERR_ETYPE_NOSUPP: the keytab has no key that the realm takes
    -1765328377: Trouble.SERVICE_UNKNOWN,  # KDC_ERR_S_PRINCIPAL_UNKNOWN
    -1765328352: Trouble.TICKET_EXPIRED,  # KRB_AP_ERR_TKT_EXPIRED
    -1765328347: Trouble.CLOCK_SKEW,  # KRB_AP_ERR_SKEW
    -1765328236: Trouble.CLOCK_SKEW,  # KDCREP_SKEW
    -1765328228: Trouble.KDC_UNREACHABLE,  # KDC_UNREACH
    -1765328230: Trouble.KDC_UNREACHABLE,  # REALM_UNKNOWN: no KDC is known for the realm
    -1765328164: Trouble.KDC_UNREACHABLE,  # REALM_CANT_RESOLVE
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this process is to Kerberos, for how many seconds yet, and whether a keytab renews that by itself."""

    principal: str
    seconds: int
    renews_itself: bool


class Initiator:
    """One security context with a service such as `smtp@mail.kanzlei.example`, mutually authenticated, nothing delegated.

    Its methods give what RFC 2743 calls tokens. They raise TransportError in Phase.AUTH: LIBRARIES_MISSING, NO_TICKET,
    TICKET_EXPIRED, TICKET_REFUSED (the keytab's key or account), SERVICE_UNKNOWN, CLOCK_SKEW, KDC_UNREACHABLE, OTHER.
    """

    def __init__(self, service: str, *, timeout: float) -> None:
        """`timeout`: seconds that a call may wait for the KDC."""
        self._service, self._timeout = service, timeout
        self._context: Any = None

    @property
    def complete(self) -> bool:
        return self._context is not None and bool(self._context.complete)

    async def identity(self) -> Identity:
        """The identity that the context is made with. Call it first."""
        return await _off_the_loop(self._begin, self._timeout)

    async def step(self, token: bytes | None = None) -> bytes:
        """The next token for the service, from its last one; may be empty."""
        return await _off_the_loop(lambda: bytes(self._context.step(token) or b""), self._timeout)

    async def unwrap(self, token: bytes) -> bytes:
        return await _off_the_loop(lambda: bytes(self._context.unwrap(token).message), self._timeout)

    async def wrap(self, message: bytes) -> bytes:
        """Signed, not encrypted."""
        return await _off_the_loop(lambda: bytes(self._context.wrap(message, encrypt=False).message), self._timeout)

    def _begin(self) -> Identity:
        credentials, renews_itself = _credentials()
        flags = gssapi.RequirementFlag.mutual_authentication | gssapi.RequirementFlag.integrity
        name = gssapi.Name(self._service, gssapi.NameType.hostbased_service)
        self._context = gssapi.SecurityContext(
            name=name, creds=credentials, flags=flags, mech=gssapi.MechType.kerberos, usage="initiate"
        )
        return Identity(str(credentials.name), int(credentials.lifetime or 0), renews_itself)


async def identity(*, timeout: float = 10) -> Identity:
    """Who this process is now, for whoever explains or watches it; raises as `Initiator` does."""

    def found() -> Identity:
        credentials, renews_itself = _credentials()
        return Identity(str(credentials.name), int(credentials.lifetime or 0), renews_itself)

    return await _off_the_loop(found, timeout)


def _credentials() -> tuple[Any, bool]:
    """The process's credentials, and whether they come from a keytab of its own."""
    keytab, cache = os.environ.get(KEYTAB, ""), os.environ.get(CACHE, "")
    store = {"ccache": cache} if cache else None
    if keytab:
        store = {"client_keytab": keytab, "ccache": cache or _own_cache(keytab)}
    return gssapi.Credentials(usage="initiate", mechs=[gssapi.MechType.kerberos], store=store), bool(keytab)


def _own_cache(keytab: str) -> str:
    """A cache in memory for the tickets of this keytab alone: replaced by another, it gives another identity at once."""
    try:
        stamp = Path(keytab.removeprefix("FILE:")).stat().st_mtime_ns
    except OSError as error:
        detail = f"{keytab}: {error.strerror or 'cannot be read'}"
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.NO_TICKET, detail=detail) from error
    return "MEMORY:postausgang-" + hashlib.sha256(f"{keytab}\0{stamp}".encode()).hexdigest()[:24]


_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="kerberos")


async def _off_the_loop(call: Callable[[], T], timeout: float) -> T:
    """What a call of the library gives, made in a thread of its own: each may wait for a KDC."""
    if gssapi is None:
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.LIBRARIES_MISSING, detail=LIBRARY)
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.get_running_loop().run_in_executor(_threads, call)
    except TimeoutError as late:
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.KDC_UNREACHABLE) from late
    except gssapi.exceptions.GSSError as error:
        raise _error_of(error) from error


def _error_of(error: Any) -> TransportError:
    words = printable("; ".join(error.get_all_statuses(error.min_code, False)))[:LONGEST_DETAIL]
    trouble = _TROUBLE_BY_MINOR.get(error.min_code - 2**32 if error.min_code >= 2**31 else error.min_code)
    if trouble is None and isinstance(error, gssapi.exceptions.ExpiredCredentialsError):
        return TransportError(phase=Phase.AUTH, trouble=Trouble.TICKET_EXPIRED)
    if trouble is None and isinstance(error, gssapi.exceptions.MissingCredentialsError):
        trouble = Trouble.NO_TICKET
        words += "".join(f", {name}={os.environ.get(name) or 'not set'}" for name in (KEYTAB, CACHE))
    return TransportError(phase=Phase.AUTH, trouble=trouble or Trouble.OTHER, detail=words)
