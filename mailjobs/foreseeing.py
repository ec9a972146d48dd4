"""The sender matrix, and the open mails of users, in words, for telling before a change is saved what it would do (P9, T6)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from django.db.models import Count
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from mailjobs.core.plan import Channel, Plan
from mailjobs.discretion import discretion_for
from mailjobs.explanation import document_of
from mailjobs.matrix import cell, matrix
from mailjobs.models import StateChoices
from mailjobs.selectors import open_jobs
from mailjobs.wording import CHANNELS, say_held_for
from mailsettings.deputies import successors_of
from mailsettings.foresight import Cell, Place
from mailsettings.leavers import Mention
from mailsettings.models import Tenant, User
from mailsettings.selectors import addresses_in_use

_WAIT = frozenset({StateChoices.NEW, StateChoices.DEFERRED, StateChoices.SENDING})


def cells_of(tenants: Sequence[Tenant], reader: User) -> dict[Place, Cell]:
    """The matrix of these tenants, as this reader may see it (T4)."""
    discretion, in_use = discretion_for(reader), addresses_in_use()
    return {
        Place(tenant.slug, plan.facts.user.id, plan.facts.request.print_model or ""): Cell(
            cell(plan), _say(plan, hidden=discretion.applies and discretion.hides(document_of(plan)))
        )
        for tenant in tenants
        for plan in matrix(tenant, in_use)
    }


def _say(plan: Plan, *, hidden: bool) -> str:
    """`office@kanzlei.example over mail.kanzlei.example:587`, and what is in its way."""
    if plan.refused:
        return _("refused (%(code)s)") % {"code": plan.refused.value}
    sender = plan.sender.mailbox.address if plan.sender.mailbox else _("no sender address")
    words = [f"{sender} {_way(plan, hidden=hidden)}"]
    if plan.held:
        words.append(_("held for %(who)s") % {"who": say_held_for(plan.held.held_for)})
    if plan.redirect.active:
        words.append(_("redirected to %(addresses)s") % {"addresses": ", ".join(plan.redirect.addresses)})
    return ", ".join(words)


def _way(plan: Plan, *, hidden: bool) -> str:
    connection = plan.connection
    if connection is None or not plan.channel.by_server:
        return f"({CHANNELS[plan.channel]})"
    if hidden:
        return _("over the mail server of the firm [%(system)s]") % {"system": connection.send_system}
    server = f"{connection.host}:{connection.port}" if plan.channel is Channel.SMTP else str(CHANNELS[plan.channel])
    login = f", {connection.username}" if connection.username else ""
    return _("over %(server)s") % {"server": f"{server}{login} [{connection.send_system}]"}


def open_mails_of(users: Sequence[User]) -> dict[int, list[Mention]]:
    """By user, how many of their mails wait, are held or have failed, and who has those of a leaver now (T6)."""
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    rows = open_jobs().filter(user__in=users).order_by().values_list("user", "state").annotate(Count("pk"))
    for pk, state, count in rows:
        counts[pk][state] = count
    return {user.pk: [_mention_of(user, counts[user.pk])] for user in users if user.pk in counts}


def _mention_of(user: User, counts: Mapping[str, int]) -> Mention:
    words = {"who": user.login, "counts": ", ".join(_say_counts(counts))}
    text = _("Mail jobs of %(who)s: %(counts)s.") % words
    if not user.is_active:
        text += " " + say_successors(user)
    return Mention(text, f"{reverse('jobs')}?{urlencode({'user': user.login})}")


def _say_counts(counts: Mapping[str, int]) -> Iterator[str]:
    waiting, held = sum(counts.get(state, 0) for state in _WAIT), counts.get(StateChoices.HELD, 0)
    failed = sum(counts.values()) - waiting - held
    for count, words in (
        (waiting, _("%(count)s waiting")),
        (held, _("%(count)s held")),
        (failed, _("%(count)s failed or uncertain")),
    ):
        if count:
            yield words % {"count": count}


def say_successors(user: User) -> str:
    """Who takes care of a leaver's mails; a firm's people are not named to its Com customers (T4)."""
    people = successors_of(user)
    names = ", ".join(f"{person.name} ({person.login})" for person in people)
    if not people:
        return _("Nobody takes care of them: there is no deputy and no active administrator.")
    if people[0].tenant_id != user.tenant_id:
        return _("The firm's administrators take care of them.")
    if user.deputy_id is not None and len(people) == 1:
        return _("%(names)s takes care of them.") % {"names": names}
    return _("The administrators take care of them: %(names)s.") % {"names": names}
