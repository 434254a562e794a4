"""HTML that cannot be broken by what it says.

A store may come from anyone, and a name in it may hold markup. So there are two kinds of text:
:class:`Html`, which is markup because this project wrote it, and every other ``str``, which is
escaped on its way into a page. Nothing has to be remembered at the place of use.
"""

from __future__ import annotations

import html
from typing import Any

_VOID = frozenset({"meta", "br", "hr"})


class Html(str):
    """Text that is markup already. Never make one of words that came from a store."""

    __slots__ = ()


def text(value: object) -> Html:
    """A value as markup: what is not :class:`Html` is escaped."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def join(*children: object) -> Html:
    """Several values as one; None is nothing."""
    return Html("".join(text(child) for child in children if child is not None))


def tag(name: str, /, *children: object, **attributes: Any) -> Html:
    """An element.

    Args:
        name: What it is.
        children: What is in it: markup, or words that are escaped; None is nothing.
        attributes: ``class_`` is written ``class``, ``aria_label`` is ``aria-label``. One that
            is None is left away.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{join(*children)}</{name}>")


def in_figure(value: object) -> str:
    """Words for a Plotly figure, which reads some tags in its texts and decodes ``&lt;``."""
    return html.escape(str(value), quote=False)
