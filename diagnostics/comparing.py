"""A diagnosis beside the last one like it that was in order: what is different since (D2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from diagnostics.core.findings import Finding, Step, Verdict
from diagnostics.diagnosis import findings_of
from diagnostics.models import Diagnosis
from diagnostics.wording import say_day

_SLOWER = 5  # times as long, and
_MUCH = 1_000  # so many milliseconds more: worth a sentence


@dataclass(frozen=True, slots=True)
class Since:
    """When it was in order last, and sentences about what is different now."""

    green: Diagnosis
    changes: tuple[str, ...]


_ROW = (
    ("server", gettext_lazy("The mail server is another: %(now)s instead of %(then)s.")),
    ("login", gettext_lazy("The login is another: %(now)s instead of %(then)s.")),
    ("sender", gettext_lazy("The sender is another: %(now)s instead of %(then)s.")),
    ("send_system", gettext_lazy("The send system is another: %(now)s instead of %(then)s.")),
)
_FACTS = (
    (Step.NAME_RESOLUTION, "addresses", gettext_lazy("The server's name leads to other addresses: %(now)s instead of %(then)s.")),
    (Step.EHLO, "mechanisms", gettext_lazy("The server offers other ways to log in: %(now)s instead of %(then)s.")),
    (Step.TLS, "version", gettext_lazy("The TLS version is another: %(now)s instead of %(then)s.")),
    (Step.SIZE, "limit", gettext_lazy("The server takes mails of another size: %(now)s octets instead of %(then)s.")),
    (Step.REDIRECT, "to", gettext_lazy("The redirect is another: %(now)s instead of %(then)s.")),
)


def since_green(row: Diagnosis) -> Since | None:
    """None where it was never in order before."""
    alike = Diagnosis.objects.filter(alike=row.alike, verdict__in=(Verdict.PASSED, Verdict.WARNED), pk__lt=row.pk)
    green = alike.order_by("-pk").first()
    return None if green is None else Since(green, tuple(_changes(row, green)))


def _changes(row: Diagnosis, green: Diagnosis) -> Iterator[str]:
    for name, words in _ROW:
        now, then = getattr(row, name), getattr(green, name)
        if now not in ("", None) and now != then:
            yield str(words) % {"now": now, "then": then or "–"}
    found = {finding.step: finding for finding in findings_of(row)}
    before = {finding.step: finding for finding in findings_of(green)}
    for step, name, words in _FACTS:
        now, then = _fact(found.get(step), name), _fact(before.get(step), name)
        if now and now != then:
            yield str(words) % {"now": now, "then": then or "–"}
    yield from _certificate(found.get(Step.TLS), before.get(Step.TLS))
    yield from _slower(found, before)


def _fact(finding: Finding | None, name: str) -> str:
    value: Any = finding.facts.get(name, "") if finding else ""
    return ", ".join(map(str, sorted(value))) if isinstance(value, list) else str(value)


def _certificate(now: Finding | None, then: Finding | None) -> Iterator[str]:
    old, new = _fact(then, "fingerprint"), _fact(now, "fingerprint")
    if old and new and old != new:
        words = _("Since then the certificate is another: issued by %(issuer)s, valid until %(until)s.")
        yield words % {"issuer": _fact(now, "issuer"), "until": say_day(_fact(now, "until"))}
    elif old and not new and now is not None and now.verdict is Verdict.FAILED:
        words = _("Then the certificate was in order: issued by %(issuer)s, valid until %(until)s.")
        yield words % {"issuer": _fact(then, "issuer"), "until": say_day(_fact(then, "until"))}


def _slower(found: dict[Step, Finding], before: dict[Step, Finding]) -> Iterator[str]:
    now = sum(finding.milliseconds for finding in found.values())
    then = sum(before[step].milliseconds for step in found if step in before and found[step].verdict is not Verdict.NOT_REACHED)
    if then and now > _SLOWER * then and now - then > _MUCH:
        seconds = {"now": localize(round(now / 1000, 1)), "then": localize(round(then / 1000, 1))}
        yield _("Everything takes longer: %(now)s s instead of %(then)s s.") % seconds
