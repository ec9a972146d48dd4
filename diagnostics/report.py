"""A diagnosis on one page of plain text, for whoever runs the mail server."""

from collections.abc import Iterator

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from diagnostics.comparing import since_green
from diagnostics.diagnosis import document_of
from diagnostics.models import Diagnosis
from diagnostics.saying import lines_of, subject_of
from diagnostics.wording import VERDICTS
from mailjobs.discretion import discretion_for
from mailsettings.models import User


def report_of(row: Diagnosis, reader: User) -> str:
    """In the language that is active, as this reader may see it."""
    return "\n".join(_lines(row, reader)) + "\n"


def _lines(row: Diagnosis, reader: User) -> Iterator[str]:
    yield _("Mail system diagnosis") + f" {row.pk}"
    yield ""
    plan = {"connection": {"level": row.level, "server": row.server, "username": row.login}} if row.level else {}
    discretion = discretion_for(reader)
    login = "" if discretion.hides(plan, row.server) else row.login
    for name, value in (
        (_("What"), subject_of(row)),
        (_("When"), date_format(localtime(row.started_at), "DATETIME_FORMAT")),
        (_("Mail server"), discretion.server(plan, row.server)),
        (_("Login"), login),
        (_("Sender"), row.sender),
        (_("Send system"), "" if row.send_system is None else str(row.send_system)),
        (_("Result"), str(VERDICTS[row.verdict]) if row.verdict else _("runs")),
    ):
        if value:
            yield f"{name}: {value}"
    for line in lines_of(document_of(row, reader)):
        yield ""
        yield f"* {line['title']}: {line['label']}" + (f" ({line['time']})" if line["time"] else "")
        yield from (f"    {each}" for each in line["found"])
        if line["cause"]:
            yield f"    {line['cause']}: {line['meaning']}"
            yield f"    {line['who']}: {line['remedy']}"
        if line["reply"]:
            yield f"    {line['reply']}"
        yield from (f"      {said}" for said in line["dialogue"].splitlines())
    since = None if discretion.applies else since_green(row)
    if since is not None:
        yield ""
        when = date_format(localtime(since.green.started_at), "DATETIME_FORMAT")
        yield _("Since it was in order last (%(when)s):") % {"when": when}
        yield from (f"  {change}" for change in since.changes)
