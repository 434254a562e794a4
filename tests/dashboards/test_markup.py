"""No text from outside becomes markup."""

from __future__ import annotations

from dashboards.markup import Html, in_figure, join, tag, text

HOSTILE = "<script>alert('&')</script>"


def test_words_are_escaped_and_markup_is_not():
    assert text(HOSTILE) == "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;"
    assert text(Html("<b>")) == "<b>"
    assert text(3) == "3"


def test_an_element_holds_markup_and_escaped_words():
    inner = tag("b", "a < b")
    assert tag("p", inner, " & ", None, 1) == "<p><b>a &lt; b</b> &amp; 1</p>"


def test_attributes_are_escaped_and_named_as_in_html():
    made = tag("i", class_="x", aria_label='"> <b>', title=None, data_n=1)
    assert made == '<i class="x" aria-label="&quot;&gt; &lt;b&gt;" data-n="1"></i>'


def test_an_element_may_have_an_attribute_called_name():
    assert tag("meta", name="viewport") == '<meta name="viewport">'


def test_what_is_joined_is_escaped_too():
    assert join("<", Html("<br>"), None) == "&lt;<br>"


def test_text_put_together_from_markup_and_words_is_words_again():
    assert text(Html("<b>") + "<i>") == "&lt;b&gt;&lt;i&gt;"


def test_a_figure_reads_entities_of_tags_but_not_of_quotes():
    assert in_figure('<b>"R&D\'s"</b>') == '&lt;b&gt;"R&amp;D\'s"&lt;/b&gt;'
