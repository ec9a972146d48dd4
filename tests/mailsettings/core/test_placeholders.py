"""Templates that can do nothing but show values (M1, Z9)."""

from decimal import Decimal
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsettings.core.placeholders import (
    MAX_OUTPUT,
    TemplateTooLarge,
    VariableInvalid,
    VariableMissing,
    bad_places,
    names,
    render,
    samples_for,
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", ""),
        ("Rechnung {{ number }}", "Rechnung 2026-1"),
        ("{{number}}{{  number\t}}", "2026-12026-1"),
        ("{{ client.name }} {{ a-b }} {{ _x }}", "Muster GmbH dash under"),
        ("{{ count }} {{ price }} {{ sum }}", "3 1.5 10.00"),
        ("{{{ number }}}", "{2026-1}"),
        ("{ number } {{ }", "{ number } {{ }"),
        ("{% if x %} {# y #} ${number}", "{% if x %} {# y #} ${number}"),
        ("{{ nested }}", "{{ number }}"),
        ("{{ empty }}.", "."),
        ("{{ two\nlines }}", "{{ two\nlines }}"),
    ],
)
def test_m1_placeholders_show_their_values(template: str, expected: str) -> None:
    values = {
        "number": "2026-1",
        "client.name": "Muster GmbH",
        "a-b": "dash",
        "_x": "under",
        "count": 3,
        "price": 1.5,
        "sum": Decimal("10.00"),
        "nested": "{{ number }}",
        "empty": "",
    }
    assert render(template, values, html=False) == expected


def test_z9_values_are_escaped_for_html_and_only_there() -> None:
    values = {"x": "<b>\"Huber\" & 'Co'</b>"}
    assert render("<i>{{ x }}</i>", values, html=True) == "<i>&lt;b&gt;&quot;Huber&quot; &amp; &#x27;Co&#x27;&lt;/b&gt;</i>"
    assert render("<i>{{ x }}</i>", values, html=False) == "<i><b>\"Huber\" & 'Co'</b></i>"


@pytest.mark.parametrize(
    ("template", "missing"),
    [
        ("{{ b }} {{ a }} {{ b }} {{ x }}", ("a", "b")),
        ("{{ none }}", ("none",)),
        ("{{ x.__class__ }}", ("x.__class__",)),
        ("{{ 7*7 }}", ("7*7",)),
        ("{{ größe }}", ("größe",)),
        ("{{ x | safe }}", ("x | safe",)),
        ("{{ }}", ("",)),
        ("{{ 1x }}", ("1x",)),
    ],
)
def test_m1_every_placeholder_without_a_value_is_named(template: str, missing: tuple[str, ...]) -> None:
    with pytest.raises(VariableMissing) as refused:
        render(template, {"x": "y", "none": None, "größe": "L", "1x": "", "": ""}, html=False)
    assert refused.value.names == missing


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "bool"),
        ([1], "list"),
        ({"a": 1}, "dict"),
        (b"x", "bytes"),
        (object(), "object"),
        (float("nan"), "not_finite"),
        (float("inf"), "not_finite"),
        (Decimal("NaN"), "not_finite"),
        pytest.param(10**5000, "too_long", id="long number"),
    ],
)
def test_z9_other_values_are_refused(value: object, kind: str) -> None:
    with pytest.raises(VariableInvalid) as refused:
        render("{{ x }}", {"x": value}, html=False)
    assert (refused.value.name, refused.value.kind) == ("x", kind)


def test_z9_a_class_with_a_text_of_its_own_is_refused() -> None:
    class Sly(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "secret"

    with pytest.raises(VariableInvalid, match="Sly"):
        render("{{ x }}", {"x": Sly("x")}, html=True)


def test_values_that_no_placeholder_wants_are_not_looked_at() -> None:
    assert render("x", {"y": object()}, html=False) == "x"


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ x }}" * 600, "y" * 10_000),
        ("{{ x }}" * 2, "ü" * 1_300_000),
        ("z" * (MAX_OUTPUT + 1), ""),
        ("{{ x }}", "<" * 1_300_000),
    ],
    ids=["many", "octets count", "template", "escaped"],
)
def test_z9_output_is_bounded(template: str, value: str) -> None:
    with pytest.raises(TemplateTooLarge):
        render(template, {"x": value}, html=True)


def test_z9_output_may_reach_the_bound() -> None:
    assert len(render("{{ x }}y", {"x": "y" * (MAX_OUTPUT - 1)}, html=False)) == MAX_OUTPUT


@pytest.mark.parametrize(
    "template",
    [
        "{{" * 500_000,
        "{{ " * 300_000,
        "{{" + " " * 1_000_000,
        "{{" + "a" * 1_000_000,
        "{{ a " * 200_000,
        "{{a}" * 250_000,
        "{" * 1_000_000,
    ],
)
def test_z9_hostile_templates_take_linear_time(template: str) -> None:
    start = process_time()
    assert render(template, {}, html=True) == template
    assert bad_places(template)
    assert process_time() - start < 2


@given(st.text(max_size=50), st.text(max_size=50))
def test_z9_a_value_is_never_expanded(before: str, value: str) -> None:
    before = before.replace("{", "")
    assert render(before + "{{ x }}", {"x": value, "y": "expanded"}, html=False) == before + value


def test_names_are_all_that_a_template_wants() -> None:
    assert names("{{ a }} {{b.c}} {{ a }} {{ 7*7 }} { d }") == {"a", "b.c", "7*7"}


@pytest.mark.parametrize(
    ("template", "bad"),
    [
        ("Rechnung {{ number }} für {{client.name}}, {{ a-b }}", ()),
        ("", ()),
        ("{ name } {% if x %}", ()),
        ("{{ 7*7 }} {{ }} {{ umsatz€ }}", ("{{ 7*7 }}", "{{ }}", "{{ umsatz€ }}")),
        ("Guten Tag {{ name, anbei", ("{{ name, anbei",)),
        ("Guten Tag {{ name }", ("{{ name",)),
        ("Guten Tag { name }}, anbei", ("name }}",)),
        ("{{ two\nlines }}", ("{{ two", "lines }}")),
        ("{{ x | upper }}{{ x | upper }}", ("{{ x | upper }}",)),
    ],
)
def test_m1_what_can_never_have_a_value_is_found(template: str, bad: tuple[str, ...]) -> None:
    assert bad_places(template) == bad


def test_a_style_may_end_with_two_braces_in_html_only() -> None:
    style = "<style>@media print {p {color: black}}</style><p>{{ name }}</p>"
    assert bad_places(style, html=True) == ()
    assert bad_places(style)
    assert bad_places("<p>{{ name</p>", html=True) == ("{{ name</p>",)


@given(st.text(alphabet="{} ab.\n7", max_size=60))
def test_what_is_not_bad_can_be_filled_in_with_its_samples(template: str) -> None:
    if not bad_places(template):
        filled = render(template, samples_for(template), html=False)
        assert "{{" not in filled


def test_samples_are_examples_of_usual_names_and_else_the_name_itself() -> None:
    assert samples_for("{{ number }} {{ foo.bar }} {{ 7*7 }}", "{{ Name }}") == {
        "Name": "Max Muster",
        "foo.bar": "[foo.bar]",
        "number": "2026-000123",
    }
