"""Where is the Exchange of a mailbox? Autodiscover v2, which asks without a login, so that nothing is told to whoever answers.

https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxdscli; Exchange 2016 and newer. What it names is judged like
any other address (Z6); only the domain of the mailbox, to which the password is bound, says where to ask (Z7).
"""

import asyncio
from urllib.parse import quote, urljoin

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports.https import DEFAULT_TIMEOUTS, Answer, Https, Timeouts, endpoint_of
from mailjobs.transports.web_reply import document_of

PLACES = ("https://autodiscover.{domain}", "https://{domain}")
_PATH = "/autodiscover/autodiscover.json?Email={mailbox}&Protocol=EWS"
_MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ALL_SECONDS = 60.0


async def discover(endpoint: Endpoint, *, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> str:
    """The https address of EWS for the mailbox that `endpoint.username` names; nothing secret is said.

    Raises TransportError, in Phase.RESOLVE where no place knows: MAILBOX_MISSING without a mailbox address, HOST_NOT_ALLOWED, or
    the trouble at the first place.
    """
    mailbox = endpoint.username
    domain = mailbox.rpartition("@")[2]
    if "@" not in mailbox or not domain:
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.MAILBOX_MISSING, detail="autodiscover")
    failures: list[TransportError] = []
    try:
        async with asyncio.timeout(_ALL_SECONDS):
            for place in PLACES:
                url = place.format(domain=domain) + _PATH.format(mailbox=quote(mailbox, safe="@"))
                try:
                    return await _ask(url, endpoint, timeouts)
                except TransportError as error:
                    failures.append(error)
    except TimeoutError as late:
        raise TransportError(phase=Phase.RESOLVE, trouble=Trouble.TIMEOUT, detail="autodiscover") from late
    raise next((error for error in failures if error.trouble is not Trouble.HOST_UNKNOWN), failures[0])


async def _ask(url: str, like: Endpoint, timeouts: Timeouts) -> str:
    answer = await _get(url, like, timeouts)
    for _redirect in range(_MOST_REDIRECTS):
        if answer.status not in _REDIRECTS:
            break
        url = urljoin(url, answer.headers.get("location", ""))
        answer = await _get(url, like, timeouts)
    found = document_of(answer).get("Url") if answer.status == 200 else None
    if not isinstance(found, str):
        raise TransportError(phase=Phase.RESOLVE, trouble=Trouble.BAD_REPLY, detail=f"autodiscover: HTTP {answer.status}")
    return endpoint_of(found, like).url


async def _get(url: str, like: Endpoint, timeouts: Timeouts) -> Answer:
    async with Https(endpoint_of(url, like), timeouts=timeouts) as https:
        return await https.request("GET", url, headers={"Accept": "application/json"}, phase=Phase.RESOLVE)
