"""Everything that can be decided or shown has words, in both languages."""

from collections.abc import Iterable
from typing import Any

import pytest
from django.utils import translation
from django.utils.functional import Promise

from diagnostics import wording as diagnosis_words
from diagnostics.core import findings
from mailjobs import wording as mail_words
from mailjobs.catalogue import explain
from mailjobs.core import plan
from mailjobs.core.envelope import Trouble
from mailjobs.core.lifecycle import State
from mailjobs.models import InternalMessage, JobRecipient, LogOutcome, RecipientStateChoices, StateChoices
from mailjobs.remedies import TROUBLES
from mailjobs.transports.registry import TRANSPORTS
from mailsettings import models, wording
from mailsettings.core.addresses import Fault
from mailsettings.core.parameters import PARAMETERS, Group, Kind
from mailsettings.core.send_systems import SEND_SYSTEMS, DeliveryMode, Role, SendsAsFirm, Stage, TenantKind
from mailsettings.core.sender import Reason, SenderLevel, StepOutcome

WORDS: list[tuple[str, Iterable[Any], Any]] = [
    ("levels", SenderLevel, wording.LEVEL_LABELS),
    ("outcomes", StepOutcome, wording.OUTCOME_LABELS),
    ("reasons", Reason, wording.REASONS),
    ("address faults", Fault, wording.ADDRESS_FAULTS),
    ("parameters", PARAMETERS, wording.PARAMETER_LABELS),
    ("groups", Group, wording.GROUP_LABELS),
    ("send systems", SEND_SYSTEMS, wording.SEND_SYSTEM_LABELS),
    ("choices", [(key, choice) for key, row in PARAMETERS.items() if row.kind is Kind.CHOICE for choice in row.choices],
     wording.CHOICE_LABELS),
    ("refusals", plan.Refusal, mail_words.REFUSALS),
    ("holds", plan.Hold, mail_words.HOLDS),
    ("hazards", plan.Hazard, mail_words.HAZARDS),
    ("troubles", set(Trouble) - {Trouble.BUSY}, TROUBLES),
    ("channels", plan.Channel, mail_words.CHANNELS),
    ("states", State, dict(StateChoices.choices)),
    ("roles", Role, dict(models.RoleChoices.choices)),
    ("tenants", TenantKind, dict(models.TenantKindChoices.choices)),
    ("policies", SendsAsFirm, dict(models.SendsAsFirmChoices.choices)),
    ("stages", Stage, dict(models.StageChoices.choices)),
    ("delivery modes", DeliveryMode, dict(models.DeliveryModeChoices.choices)),
    ("log", LogOutcome, dict(LogOutcome.choices)),
    ("recipients", RecipientStateChoices, dict(RecipientStateChoices.choices)),
    ("kinds of recipients", JobRecipient.Kind, dict(JobRecipient.Kind.choices)),
    ("messages", InternalMessage.Kind, dict(InternalMessage.Kind.choices)),
    ("steps of a diagnosis", findings.Step, diagnosis_words.STEPS),
    ("verdicts", findings.Verdict, diagnosis_words.VERDICTS),
    ("who must act", findings.Who, diagnosis_words.WHO),
    ("causes", findings.Cause, diagnosis_words.CAUSES),
    ("meanings", findings.Cause, {cause: explain(cause, "", 0).meaning for cause in findings.Cause}),
    ("next steps", findings.Cause, {cause: explain(cause, "", 0).remedy for cause in findings.Cause}),
]  # fmt: skip
# Words that are the same in both languages.
SAME = {"SMTP OK", "SMTP", "EWS", "Microsoft Graph", "TLS", "TLS 1.2", "TLS 1.3", "NTLM", "OAuth 2.0", "Name", "Cc", "Bcc"}


@pytest.mark.parametrize(("members", "words"), [row[1:] for row in WORDS], ids=[row[0] for row in WORDS])
def test_every_member_has_words_in_both_languages(members: Iterable[Any], words: Any) -> None:
    for member in members:
        text = words[member]
        with translation.override("en"):
            english = str(text)
        with translation.override("de"):
            german = str(text)
        assert english
        assert isinstance(text, Promise | str)
        assert german != english or english in SAME or english.startswith("OAuth") or "NTLM" in english, english


def test_every_send_system_has_a_transport_or_is_named_in_the_readme_as_missing() -> None:
    missing = sorted(set(SEND_SYSTEMS) - set(TRANSPORTS))
    assert missing == [], "a send system without a transport is named in the README"
