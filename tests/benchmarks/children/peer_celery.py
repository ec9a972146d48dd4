"""Celery with Django's own mail, as many projects have it: the application of `celery worker`, and its one task."""

import base64
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.children.peer_settings")
app = Celery("peer")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="send_mail")
def send_mail(subject: str, text: str, to: str, filename: str, content: str) -> None:
    """One mail over a connection of its own, as django.core.mail.send_mail does."""
    from django.core.mail import EmailMessage  # noqa: PLC0415 (the worker sets Django up)

    mail = EmailMessage(subject, text, to=[to])
    if filename:
        mail.attach(filename, base64.b64decode(content), "application/pdf")
    mail.send()
