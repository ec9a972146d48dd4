"""The parser against the corpus: what is accepted and as whom, what is refused and why (P7, C4; security Z2, Z3)."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from django.utils import translation

from mailsettings.core.addresses import AddressInvalid, Fault, Mailbox, key_of, parse_recipient, parse_sender
from mailsettings.wording import ADDRESS_FAULTS
from tests.addresses.corpus import ACCEPTED, PAIRS, RECIPIENTS, REFUSED, SENDERS, Case, Pair

MEGABYTE = 2**20
LONG = {
    "one word": "a",
    "addresses": "anna@huber.example, ",
    "spaces": " ",
    "spaces before a bracket": "a ",
    "opening brackets": "<",
    "pairs of brackets": "<>",
    "quotes": '"',
    "backslashes": '"\\',
    "dots": ".",
    "at signs": "@",
    "encoded words": "=?utf-8?q?",
    "nested encoded words": "=?utf-8?q?=3D=3F",
    "labels": "a.",
    "umlauts": "ü",
    "combining marks": "\u0301",
    "percent signs": "%a",
}

FRAMES = ("{}", "a{}a", "{} <anna@huber.example>", '"{}" <anna@huber.example>', "anna@{}.example", "{}@b.c")


def _meaning(parse: Callable[[str], Mailbox], text: str) -> tuple[str, str, str]:
    try:
        mailbox = parse(text)
    except AddressInvalid as invalid:
        return "", invalid.code, ""
    return mailbox.key, "", mailbox.name


@pytest.mark.parametrize("case", SENDERS, ids=lambda case: case.place)
def test_p7_each_sender_means_what_the_corpus_says(case: Case) -> None:
    assert _meaning(parse_sender, case.text) == (case.key, case.fault, case.name)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.place)
def test_c4_each_sender_is_the_same_as_a_recipient(case: Case) -> None:
    assert parse_recipient(case.text) == parse_sender(case.text)
    assert key_of(case.text) == key_of(case.key) == case.key


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.place)
def test_z2_a_recipient_is_refused_likewise_save_for_its_local_part(case: Case) -> None:
    _, fault, _ = _meaning(parse_recipient, case.text)
    assert case.fault in {fault, Fault.LOCAL_NOT_ASCII}


@pytest.mark.parametrize("case", RECIPIENTS, ids=lambda case: case.place)
def test_c4_an_international_recipient_means_what_the_corpus_says_and_never_sends(case: Case) -> None:
    assert _meaning(parse_recipient, case.text) == (case.key, case.fault, case.name)
    with pytest.raises(AddressInvalid):
        parse_sender(case.text)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.place)
def test_c4_two_texts_mean_one_mailbox_or_two(pair: Pair) -> None:
    one, two = key_of(pair.one), key_of(pair.two)
    assert one is not None
    assert two is not None
    assert (one == two) is pair.same


def test_the_corpus_is_large_and_knows_every_fault() -> None:
    assert len(SENDERS) >= 600
    assert len(ACCEPTED) >= 250
    assert len({case.text for case in SENDERS}) == len(SENDERS)
    counted = Counter(case.fault for case in [*SENDERS, *RECIPIENTS] if case.fault)
    assert set(counted) == {fault.value for fault in Fault}
    assert min(counted.values()) >= 4


@pytest.mark.parametrize("piece", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize(
    "frame", ["{}", "a{}a", "{} <anna@huber.example>", '"{}" <anna@huber.example>', "anna@{}.example", "{}@b.c"]
)
def test_long_input_is_refused_in_milliseconds(piece: str, frame: str) -> None:
    text = frame.format(piece * (MEGABYTE // len(piece)))
    started = time.process_time()
    with pytest.raises(AddressInvalid, match=r"^(too_long|control_character)"):
        parse_sender(text)
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize("piece", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize(
    "frame", ["{}", "a{}a", "{} <anna@huber.example>", '"{}" <anna@huber.example>', "anna@{}.example", "{}@b.c"]
)
def test_the_longest_input_that_is_read_is_refused_in_milliseconds(piece: str, frame: str) -> None:
    text = frame.format(piece * (960 // len(piece)))
    started = time.process_time()
    with suppress(AddressInvalid):
        parse_recipient(text)
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_says_what_to_do(fault: Fault) -> None:
    with translation.override("en"):
        sentence = str(ADDRESS_FAULTS[fault])
    assert sentence.endswith(".")
    todo = ("give", "type", "use", "write", "put", "shorten", "needs", "it may have")
    assert any(word in sentence.lower() for word in todo), sentence
