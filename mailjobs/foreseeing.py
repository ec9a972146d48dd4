"""The sender matrix in words, for telling before a change is saved what it would do (P9)."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from mailjobs.core.plan import Channel, Plan
from mailjobs.discretion import discretion_for
from mailjobs.explanation import document_of
from mailjobs.matrix import cell, matrix
from mailjobs.wording import CHANNELS, say_held_for
from mailsettings.foresight import Cell, Place
from mailsettings.models import Tenant, User


def cells_of(tenants: Sequence[Tenant], reader: User) -> dict[Place, Cell]:
    """The matrix of these tenants, as this reader may see it (T4)."""
    discretion = discretion_for(reader)
    return {
        Place(tenant.slug, plan.facts.user.id, plan.facts.request.print_model or ""): Cell(
            cell(plan), _say(plan, hidden=discretion.applies and discretion.hides(document_of(plan)))
        )
        for tenant in tenants
        for plan in matrix(tenant)
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
