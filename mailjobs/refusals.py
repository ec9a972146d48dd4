"""What a refusal is about: user, address, level, employee, so that it can be said in every reader's language."""

from mailjobs.core.plan import Plan
from mailsettings.core.facts import Facts
from mailsettings.core.header_text import visible
from mailsettings.core.relay import Connection


def details_of_plan(plan: Plan) -> dict[str, str]:
    """What `wording.say_refusal` needs of a refused plan."""
    offer, mailbox = plan.sender.offer, plan.sender.mailbox
    details = details_of(
        plan.facts,
        address=mailbox.address if mailbox else visible(offer.address[:200]) if offer else "",
        level=str(plan.sender.level or ""),
        connection=plan.connection,
    )
    return details | ({"fault": plan.sender.invalid.code} if plan.sender.invalid else {})


def details_of(facts: Facts, *, address: str, level: str, connection: Connection | None = None) -> dict[str, str]:
    """The same of facts and a stored mail's address; names that have nothing to say are left out."""
    employee = facts.user.employee
    details = {
        "user": facts.user.id,
        "address": address,
        "level": level,
        "print_model": facts.request.print_model or "",
        "employee": employee.name if employee else "",
        "employee_addresses": ", ".join(employee.written) if employee else "",
        "where": str(connection.level) if connection else "",
        "where_id": connection.source if connection else "",
    }
    return {name: text for name, text in details.items() if text}
