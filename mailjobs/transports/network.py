"""Which addresses may a server name lead to, and a connection to one of them (Z6)."""

import asyncio
import errno
import ipaddress
import re
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import idna

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports import watching

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAIL_PORTS = frozenset({25, 465, 587, 2525})
WEB_PORTS = frozenset({443})
FIRST_FREE_PORT = 1024  # from here on every port may be a mail server's
REFUSAL_SECONDS = 0.1
MOST_ADDRESSES = 8  # tried of one name
NOT_ALLOWED = "this server name or port is not allowed"  # the only text of a refusal: it tells nobody what is behind the name

# IANA special-purpose address registries (RFC 6890); written out, because `is_global` differs between Python's patch releases.
_NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "64:ff9b:1::/48", "2001::/32", "fe80::/10", "ff00::/8")
)
_NOT_GLOBAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by the customers of one provider
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    )
)
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")  # all of it that was ever given out
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")  # RFC 2765
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label like this makes resolvers read the name as an IPv4 address

_TROUBLE_BY_ERRNO = {
    errno.ECONNREFUSED: Trouble.REFUSED,
    errno.EHOSTUNREACH: Trouble.UNREACHABLE,
    errno.ENETUNREACH: Trouble.UNREACHABLE,
    errno.EADDRNOTAVAIL: Trouble.UNREACHABLE,
    errno.EAFNOSUPPORT: Trouble.UNREACHABLE,
    errno.ETIMEDOUT: Trouble.TIMEOUT,
}
_UNKNOWN_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


@dataclass(frozen=True, slots=True)
class Target:
    """An address that was judged and may be connected to."""

    address: Address
    port: int


def ascii_host(host: str) -> str | None:
    """The name or address as it is looked up: lower case, international labels as A-labels (UTS 46, RFC 5891), no final dot.

    None where it is neither a host name nor an address in its one canonical notation: `127.1`, `0x7f.1`, `2130706433`,
    `0177.0.0.1`, `[::1]`, `fe80::1%eth0` and digits of other scripts are refused.
    """
    text = host.lower()
    if ":" in text:
        return _canonical_ipv6(text)
    name = _a_labels(text)
    if name is None:
        return None
    labels = name.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return text if _is_canonical_ipv4(text) else None
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return ".".join(labels)


def is_allowed(address: str, allowed_networks: Iterable[str] = ()) -> bool:
    """Whether a mail server may be at this address: global unicast, or inside one of the networks that an administrator named.

    IPv4 addresses inside IPv6 ones are judged as themselves. Link-local, unspecified, multicast, reserved and Teredo addresses
    are refused even if such a network holds them. `address` is what `ipaddress` reads; ValueError for anything else.
    """
    plain = _unmapped(ipaddress.ip_address(address))
    if _inside(plain, _NEVER):
        return False
    if _inside(plain, [ipaddress.ip_network(network, strict=False) for network in allowed_networks]):
        return True
    return not _inside(plain, _NOT_GLOBAL) and (plain.version == 4 or plain in _GLOBAL_IPV6)


def is_allowed_port(port: int, well_known: frozenset[int] = MAIL_PORTS) -> bool:
    return port in well_known or FIRST_FREE_PORT <= port <= 65535


def server_name(host: str) -> str:
    """The name that the certificate must carry, and that is sent as SNI (RFC 6066 section 3: A-labels, no final dot)."""
    return ascii_host(host) or host


async def resolve(
    host: str, port: int, allowed_networks: Sequence[str] = (), *, timeout: float, well_known: frozenset[int] = MAIL_PORTS
) -> list[Target]:
    """The addresses of a host that may be connected to, in the resolver's order, at least one; looked up once.

    Raises TransportError in Phase.RESOLVE: HOST_NOT_ALLOWED (always the same text), HOST_UNKNOWN, DNS_FAILURE or TIMEOUT.
    """
    begun, name = time.monotonic(), ascii_host(host)
    if name is None or not is_allowed_port(port, well_known):
        raise await _refusal(begun)
    targets = [
        Target(ipaddress.ip_address(address), port)
        for address in await _addresses(_absolute(name, host), port, timeout)
        if is_allowed(address, allowed_networks)
    ]
    if not targets:
        raise await _refusal(begun)
    return targets[:MOST_ADDRESSES]


async def connect(endpoint: Endpoint, timeout: float, well_known: frozenset[int] = MAIL_PORTS) -> socket.socket:
    """A connected, non-blocking TCP socket to the endpoint, within `timeout` seconds for the name and as much for all addresses.

    Raises TransportError: Phase.RESOLVE as `resolve` does; Phase.CONNECT with REFUSED, UNREACHABLE, TIMEOUT or OTHER.
    """
    targets = await resolve(endpoint.host, endpoint.port, endpoint.allowed_networks, timeout=timeout, well_known=well_known)
    watching.reached(Phase.RESOLVE, addresses=[str(target.address) for target in targets])
    deadline = asyncio.get_running_loop().time() + timeout
    failures: list[TransportError] = []
    for position, target in enumerate(targets):
        share = (deadline - asyncio.get_running_loop().time()) / (len(targets) - position)
        try:
            connection = await _connect_to(target, share)
        except TransportError as error:
            failures.append(error)
        else:
            watching.reached(Phase.CONNECT, address=str(target.address), port=target.port)
            return connection
    raise next((failure for failure in failures if failure.trouble is not Trouble.UNREACHABLE), failures[-1])


async def _refusal(begun: float) -> TransportError:
    """At the next full `REFUSAL_SECONDS`: how long it took tells nobody whether a name was looked up, and where it is."""
    taken = time.monotonic() - begun
    await asyncio.sleep(REFUSAL_SECONDS - taken % REFUSAL_SECONDS)
    return TransportError(phase=Phase.RESOLVE, trouble=Trouble.HOST_NOT_ALLOWED, detail=NOT_ALLOWED)


def _inside(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _unmapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if embedded := address.ipv4_mapped or address.sixtofour:
        return embedded
    if address in _NAT64 or address in _IPV4_TRANSLATED or (address in _IPV4_COMPATIBLE and int(address) > 0xFFFF):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_canonical_ipv4(text: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(text)) == text
    except ValueError:
        return False


def _canonical_ipv6(text: str) -> str | None:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return None if address.scope_id else str(address)


def _a_labels(text: str) -> str | None:
    if text.isascii():
        return text
    try:
        return idna.encode(text, uts46=True, transitional=False).decode()
    except UnicodeError:
        return None


def _absolute(name: str, host: str) -> str:
    """The name with the final dot again, where the user wrote one to keep the resolver from adding domains."""
    return f"{name}." if host.endswith(".") else name


async def _addresses(name: str, port: int, timeout: float) -> list[str]:
    """What the system's resolver says, each address once."""
    try:
        async with asyncio.timeout(timeout):
            found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise TransportError(phase=Phase.RESOLVE, trouble=Trouble.TIMEOUT) from error
    except socket.gaierror as error:
        trouble = Trouble.HOST_UNKNOWN if error.errno in _UNKNOWN_NAME else Trouble.DNS_FAILURE
        raise TransportError(phase=Phase.RESOLVE, trouble=trouble, detail=error.strerror or "") from error
    except (OSError, UnicodeError) as error:
        raise TransportError(phase=Phase.RESOLVE, trouble=Trouble.DNS_FAILURE) from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


async def _connect_to(target: Target, timeout: float) -> socket.socket:
    family = socket.AF_INET if target.address.version == 4 else socket.AF_INET6
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _connect_error(error) from error
    connection.setblocking(False)
    try:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(connection, (str(target.address), target.port))
    except OSError as error:  # TimeoutError is one
        connection.close()
        raise _connect_error(error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_error(error: OSError) -> TransportError:
    fallback = Trouble.TIMEOUT if isinstance(error, TimeoutError) else Trouble.OTHER
    trouble = _TROUBLE_BY_ERRNO.get(error.errno or 0, fallback)
    return TransportError(phase=Phase.CONNECT, trouble=trouble, detail=error.strerror or "")
