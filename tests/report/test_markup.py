"""Markup: whatever a user brings along is text."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tapeless.report.markup import Markup, element, text


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.said = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.said += data


def read(markup):
    reader = Reader()
    reader.feed(markup)
    return reader


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "a&b<c",
        "'\"`",
        "</title><b>",
        "]]>",
        "{{7*7}}",
    ],
)
def test_text_and_attributes_are_escaped(hostile):
    found = read(element("p", hostile, title=hostile))
    assert found.tags == [("p", {"title": hostile})]
    assert found.said == hostile


def test_markup_goes_in_as_it_is():
    inner = element("b", "x")
    assert element("p", "<", inner, [inner, inner]) == "<p>&lt;<b>x</b><b>x</b><b>x</b></p>"
    assert isinstance(inner, Markup)
    assert inner.__html__() == inner


def test_what_no_page_may_hold_is_replaced():
    assert text("a\x00b\x1bc\u202ed") == "a\ufffdb\ufffdc\ufffdd"
    assert text("a\nb\tc ü ∂") == "a\nb\tc ü ∂"


def test_names_and_numbers_of_attributes():
    made = element(
        "path", class_="line", stroke_width=1.5, view_box="0 0 1 1", x=2.0, y=1 / 3, hidden=None, no=False
    )
    assert made == '<path class="line" stroke-width="1.5" viewBox="0 0 1 1" x="2" y="0.33"></path>'
