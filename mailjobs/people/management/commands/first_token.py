"""`manage.py first_token`: a token for the first operator of an empty installation."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mailjobs.people.first import first_token, nobody_yet


class Command(BaseCommand):
    help = "Prints a token with which the first operator is made at /accounts/first/; only while there is no user."

    def handle(self, *_args: Any, **_options: Any) -> None:
        if not nobody_yet():
            raise CommandError("There are users already; an operator makes others.")
        self.stdout.write(first_token())
