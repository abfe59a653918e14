"""C in colour: every character is still there."""

from __future__ import annotations

import re
from html import unescape

import tapeless as tl
from gallery import BY_NAME
from tapeless.report.code import highlighted


def plain(markup):
    return unescape(re.sub(r"<[^>]*>", "", markup))


def test_nothing_is_lost():
    for name in ("gelu", "black_scholes", "huber"):
        source = tl.compile(BY_NAME[name].text).source
        assert plain(highlighted(source)) == source


def test_what_is_marked():
    found = highlighted('/* for <b> */\n#include "x.h"\nconst double t1 = 2.5e-3*form;')
    assert '<span class="c-comment">/* for &lt;b&gt; */</span>' in found
    assert '<span class="c-directive">#include &quot;x.h&quot;</span>' in found
    assert '<span class="c-word">double</span>' in found
    assert '<span class="c-number">2.5e-3</span>*form;' in found
