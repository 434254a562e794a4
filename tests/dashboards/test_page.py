"""One file that needs nothing else, and that nothing can get into."""

from __future__ import annotations

import base64
import hashlib
import json

from dashboards import theme
from dashboards.markup import tag
from dashboards.page import keys, page, plot, section, tiles
from tests.dashboards.reading import Page


def test_a_page_holds_plotly_once():
    assert page("t", tag("p", "x")).count(b"* plotly.js v") == 1


def test_only_the_pages_own_scripts_may_run():
    read = Page(page("t").decode())
    policy = next(
        a["content"]
        for name, a in read.elements
        if a.get("http-equiv", "").startswith("Content")
    )
    assert policy.startswith("default-src 'none'; ")
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in read.scripts
    ]
    assert len(hashes) == 2
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"].split() == hashes
    assert rules["base-uri"] == rules["form-action"] == "'none'"


def test_a_title_is_words():
    assert "<title>&lt;b&gt;</title>" in page("<b>").decode()


def test_text_that_has_no_bytes_is_replaced():
    assert "<p>?</p>" in page("t", tag("p", "\ud800")).decode()


def test_a_number_stays_with_its_unit():
    assert "<p>95\u00a0%</p>" in page("t", tag("p", "95 %")).decode()


def test_a_figures_data_cannot_end_its_script():
    figure = theme.canvas(100).update_layout(title="</script><script>alert(1)</script>")
    read = Page(plot(figure, "f", "a <label>", "a caption"))
    assert [name for name, _ in read.elements] == ["figure", "div", "script", "figcaption"]
    data = json.loads(read.data[0])
    assert data["layout"]["title"]["text"] == "</script><script>alert(1)</script>"


def test_a_figure_is_told_to_those_who_cannot_see_it():
    read = Page(plot(theme.canvas(123), "f", "a <label>", "a caption"))
    given = read.elements[1][1]
    assert given["role"] == "img"
    assert given["aria-label"] == "a <label>"
    assert given["style"] == "height:123px"


def test_a_section_has_its_title():
    assert section("hall", "x") == '<section id="hall"><h2>Hall of Fame</h2>x</section>'


def test_keys_and_tiles_are_lists():
    assert keys({"best": "#123456"}) == (
        '<ul class="keys"><li style="--mark:#123456">best</li></ul>'
    )
    assert "<dt>trials</dt><dd>8<small>of 9</small></dd>" in tiles({"trials": ("8", "of 9")})
