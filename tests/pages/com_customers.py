"""What the tests of Com customers and of the release queue have in common."""

import re
from html import unescape
from typing import Any

from django.test import Client
from django.urls import reverse

from mailsettings.changes import Book, save_tenant
from mailsettings.core.send_systems import TenantKind
from mailsettings.models import Tenant

LIST, NEW, FIRM, QUEUE, CSV = (
    "/com-customers/",
    "/com-customers/new/",
    "/com-customers/firms/new/",
    "/com-customers/releases/",
    "/com-customers/leaks.csv",
)
OFFICE = "office@kanzlei-huber.example"


def tenant(slug: str) -> Tenant:
    return Tenant.objects.select_related("firm").get(slug=slug)


def page_of(slug: str) -> str:
    return reverse("com_customer", args=[tenant(slug).pk])


def decide(slug: str, policy: str) -> None:
    row = tenant(slug)
    save_tenant(Book("test"), slug=slug, name=row.name, kind=TenantKind.COM_CUSTOMER, firm=row.firm, sends_as_firm=policy)


def text_of(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(answer.content.decode())).split())


def shown(client: Client, url: str, status: int = 200) -> str:
    answer = client.get(url)
    assert answer.status_code == status, url
    return text_of(answer)
