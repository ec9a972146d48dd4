"""Words by which mails are found however many there are; written behind the queue's back, never while a mail is taken in."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from mailjobs.models.jobs import MailJob


class SearchTerm(models.Model):
    """A mail has this word: an address or what stands before its @, a number of a document, a word of the subject."""

    term = models.CharField(max_length=120)
    job = models.ForeignKey(MailJob, models.CASCADE, related_name="+", db_index=False, db_constraint=False)

    class Meta:
        verbose_name = _("search word")
        verbose_name_plural = _("search words")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("term", "job", name="search_term_once_per_job"),
        ]

    def __str__(self) -> str:
        return self.term


class SearchProgress(models.Model):
    """Up to which mail the words are written; one row."""

    last_job = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("progress of the search words")
        verbose_name_plural = _("progress of the search words")

    def __str__(self) -> str:
        return str(self.last_job)
