"""The advisor (D5, S6): every check over the live configuration of one tenant, the gravest first.

A new check is one function in `senders`, `connections` or `operation`, decorated with `registry.check`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.cache import cache
from django.db import transaction
from django.urls import NoReverseMatch, reverse

from diagnostics.advisor import connections, operation, senders
from diagnostics.advisor.ground import Ground
from diagnostics.advisor.registry import CHECKS, Check, Place, Severity
from mailsettings.changes import Book
from mailsettings.models import AuditEvent, Tenant
from mailsettings.selectors import addresses_in_use

__all__ = [
    "CHECKS",
    "Advice",
    "Severity",
    "Where",
    "advise",
    "advise_all",
    "connections",
    "counted",
    "mend",
    "operation",
    "senders",
]

NAMED = 20  # places that one advice lists
SHOWN = 6  # of them on the page
REMEMBERED = 60  # seconds that the count on the overview may be old
_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Where:
    """One place that an advice is about, and the address of the page where it is changed."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What one check found at one tenant: `places` the first of `count`; `fixable`: one click mends it."""

    check: Check
    tenant: Tenant
    places: tuple[Where, ...]
    count: int
    url: str

    @property
    def fixable(self) -> bool:
        """The click changes the general settings, so it is offered only where these are concerned."""
        return self.check.fix is not None and any(where.url == self.url for where in self.places)

    @property
    def shown(self) -> tuple[Where, ...]:
        """What the page names."""
        return self.places[:SHOWN]

    @property
    def more(self) -> int:
        return self.count - len(self.shown)

    def document(self) -> dict[str, object]:
        """As `advise --json` prints it."""
        return {
            "code": self.check.code,
            "severity": self.check.severity.value,
            "tenant": self.tenant.slug,
            "title": str(self.check.title),
            "message": str(self.check.why),
            "places": [{"name": where.name, "url": where.url} for where in self.places],
            "count": self.count,
            "url": self.url,
            "fixable": self.fixable,
        }


def advise(tenant: Tenant, *, ground: Ground | None = None) -> list[Advice]:
    """What is wrong at one tenant, its Com customers not included."""
    ground = ground or Ground(tenant, addresses_in_use() if tenant.is_com_customer else {})
    found = [(check, list(check.find(ground))) for check in CHECKS.values()]
    advices = [_advice(check, tenant, places) for check, places in found if places]
    return sorted(advices, key=lambda advice: _RANKS[advice.check.severity])


def advise_all(tenants: Iterable[Tenant]) -> list[Advice]:
    """The same of several."""
    in_use = addresses_in_use()
    return [advice for tenant in tenants for advice in advise(tenant, ground=Ground(tenant, in_use))]


def counted(tenant: Tenant) -> dict[str, int]:
    """Severity → how many advices, for the overview: looked at anew after a change of settings, else once a minute."""
    changed = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
    key = f"advisor-{tenant.pk}-{changed}"
    found: dict[str, int] | None = cache.get(key)
    if found is None:
        found = dict.fromkeys((severity.value for severity in Severity), 0)
        for advice in advise(tenant):
            found[advice.check.severity] += 1
        cache.set(key, found, REMEMBERED)
    return found


def mend(book: Book, tenant: Tenant, code: str) -> bool:
    """Do the one click of a check where it still finds something; returns whether anything was done. Raises Refused."""
    advice = next((advice for advice in advise(tenant) if advice.check.code == code), None)
    if advice is None or advice.check.fix is None or not advice.fixable:
        return False
    with transaction.atomic():
        advice.check.fix(book, Ground(tenant))
    return bool(book.records)


def _advice(check: Check, tenant: Tenant, places: list[Place]) -> Advice:
    url = _url(Place("", check.page), tenant)
    shown = tuple(Where(place.name, _url(place, tenant) if place.page else url) for place in places[:NAMED])
    return Advice(check, tenant, shown, len(places), url)


def _url(place: Place, tenant: Tenant) -> str:
    try:
        address = reverse(place.page, args=[each for each in (place.kind, place.pk) if each not in {"", None}])
    except NoReverseMatch:
        return ""
    return (
        address
        if place.pk is not None or place.page in {"connections", "jobs", "inbox", "dashboard"}
        else f"{address}?tenant={tenant.slug}"
    )
