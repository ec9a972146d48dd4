"""150 payloads for template engines and 60 scripts: nothing is evaluated, nothing is executed (Z9, Z10)."""

import resource
import time
from html.parser import HTMLParser

import pytest

from mailjobs.preview import harmless
from mailsettings.core.placeholders import TemplateTooLarge, VariableInvalid, VariableMissing, render

VALUES = {"name": "Huber", "number": "2026-1"}
_OBJECTS = (
    "name",
    "''",
    "[]",
    "{}",
    "()",
    "self",
    "request",
    "config",
    "settings",
    "cycler",
    "lipsum",
    "joiner",
    "namespace",
    "x",
)
_WALKS = (
    ".__class__",
    ".__class__.__mro__[1].__subclasses__()",
    ".__init__.__globals__['os'].popen('id').read()",
    "['__class__']",
    "|attr('__class__')",
    ".format('{0.__class__}')",
    "|safe",
)
_ENGINES = (
    "{{{{{}}}}}",
    "{{%{}%}}",
    "${{{}}}",
    "#{{{}}}",
    "<%={}%>",
    "[[{}]]",
    "@({})",
    "{{{{{{{}}}}}}}",
)
_EXPRESSIONS = ("7*7", "7*'7'", "range(10**9)", "'a'*10**9", "1/0", "import os")
TEMPLATES = [
    *(f"{{{{ {thing}{walk} }}}}" for thing in _OBJECTS for walk in _WALKS),
    *(engine.format(expression) for engine in _ENGINES for expression in _EXPRESSIONS),
    "{% for x in range(10**9) %}x{% endfor %}",
    "{% include '/etc/passwd' %}",
    "{% extends 'http://a.example' %}",
    "{% debug %}",
    "{% load log %}{% get_admin_log 10 as x %}",
    "{{" * 50_000,
    "{{ name }}" * 100_000,
    "{{ name" + " " * 300_000,
    "}}" * 100_000,
    "{{ {{ {{ name }} }} }}",
    "{{ nåme }}",
]
SCRIPTS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//a.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\x00>alert(1)</script>",
    "<script/x>alert(1)</script>",
    "<script\n>alert(1)</script >",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<math><maction actiontype='statusline#http://a.example' xlink:href='javascript:alert(1)'>x",
    *(
        f"<{tag} {event}=alert(1)>"
        for tag, event in (
            ("img src=x", "onerror"),
            ("body", "onload"),
            ("div", "onmouseover"),
            ("details open", "ontoggle"),
            ("input autofocus", "onfocus"),
            ("select autofocus", "onfocus"),
            ("textarea autofocus", "onfocus"),
            ("video src=x", "onerror"),
            ("audio src=x", "onerror"),
            ("marquee", "onstart"),
            ("p style=animation-name:x", "onanimationstart"),
            ("a href=#", "onclick"),
            ("b", "ONCLICK"),
            ("i", "onClick \t"),
            ("u", "on\x00click"),
            ("img/src=x", "/onerror"),
        )
    ),
    "<img src='x'onerror=alert(1)>",
    '<img """><script>alert(1)</script>">',
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<frameset><frame src=javascript:alert(1)></frameset>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<applet code=x>",
    "<link rel=stylesheet href=//a.example/x.css>",
    "<link rel=import href=//a.example/x.html>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=javascript:alert(1)//>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<isindex action=javascript:alert(1)>",
    *(
        f'<a href="{address}">x</a>'
        for address in (
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            "java\nscript:alert(1)",
            "&#106;avascript:alert(1)",
            "&#x6A;avascript:alert(1)",
            " javascript:alert(1)",
            "\x01javascript:alert(1)",
            "vbscript:msgbox(1)",
            "data:text/html,<script>alert(1)</script>",
            "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
            "//a.example/track",
        )
    ),
    "<style>@import '//a.example/x.css';</style>",
    "<style>body{background:url(//a.example/x)}</style>",
    "<div style='background:url(//a.example/x)'>x</div>",
    "<div style='behavior:url(x.htc)'>x</div>",
    "<div style='width:expression(alert(1))'>x</div>",
    "<img src=//a.example/pixel.gif>",
    "<img srcset='//a.example/pixel.gif 1x'>",
    "<table background=//a.example/x>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><script>alert(1)</script>-->",
    "<!--[if IE]><script>alert(1)</script><![endif]-->",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<xmp><script>alert(1)</script></xmp>",
    "<title><script>alert(1)</script></title>",
    "<x onclick=alert(1)>",
    "\u003cscript\u003ealert(1)\u003c/script\u003e",
    "<a href='x' ping='//a.example'>x</a>",
    "<video poster=//a.example/x>",
    "<script>alert(1)",
    "<<script>alert(1)//<</script>",
]


def test_there_are_as_many_as_promised() -> None:
    assert len(set(TEMPLATES)) >= 150
    assert len(set(SCRIPTS)) >= 60


@pytest.mark.parametrize("html", [False, True], ids=["text", "html"])
def test_no_template_is_evaluated_and_each_takes_less_than_a_second_and_50_mb(*, html: bool) -> None:
    for template in dict.fromkeys(TEMPLATES):
        begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            said = render(template, VALUES, html=html)
        except (VariableMissing, VariableInvalid, TemplateTooLarge):
            continue
        finally:
            assert time.process_time() - begun < 1, template[:60]
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, template[:60]
        assert said.replace("Huber", "").strip() == template.replace("{{ name }}", "").strip(), "only its own values were put in"


@pytest.mark.parametrize("value", [*SCRIPTS, *(template for template in TEMPLATES if len(template) < 500)])
def test_no_value_is_expanded_or_becomes_markup(value: str) -> None:
    assert render("{{ name }}", {"name": value}, html=False) == value
    assert "<" not in render("{{ name }}", {"name": value}, html=True)


class Active(HTMLParser):
    """Collects what a browser would run or fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "iframe", "object", "embed", "svg", "math", "form", "base", "meta", "link", "frame", "applet"}:
            self.found.append(tag)
        for name, value in attributes:
            text = "".join((value or "").split()).lower()
            if name.startswith("on") or (
                name in {"src", "srcset", "href", "background", "action", "ping", "poster", "formaction"}
                and text not in {"", "#"}
                and not text.startswith("data:image/")
            ):
                self.found.append(f"{tag} {name}={value}")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_preview_holds_nothing_active_or_remote(script: str) -> None:
    reader = Active()
    reader.feed(harmless(f"<p>vor</p>{script}<p>nach</p>"))
    reader.close()
    assert [found for found in reader.found if "href" not in found or "script" in found.lower()] == []
