"""A small safe way to write HTML and SVG: what is not marked as markup is escaped.

Examples
--------
>>> print(tag("p", "a < b ", tag("b", "c"), class_="x"))
<p class="x">a &lt; b <b>c</b></p>
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from html import escape

_VOID = {"meta", "br", "hr", "image", "line", "rect", "path", "circle", "polygon", "col"}


class Markup(str):
    """Text that is markup already and is written as it is."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """The element ``name``; children that are not :class:`Markup` are escaped.

    An attribute's trailing underscore is dropped and inner ones become hyphens; numbers keep two decimals; None leaves
    the attribute out.
    """
    parts = []
    for key, value in attributes.items():
        if value is not None:
            text = number(value) if isinstance(value, int | float) else value
            parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(str(text))}"')
    head = f"<{name}{''.join(parts)}"
    if name in _VOID and not children:
        return Markup(head + ">") if name in ("meta", "br", "hr", "col") else Markup(head + "/>")
    return Markup(f"{head}>{join(children)}</{name}>")


def join(children: Iterable[str], between: str = "") -> Markup:
    """``children`` one after another, each escaped unless it is :class:`Markup`."""
    return Markup(between.join(c if isinstance(c, Markup) else escape(c, quote=False) for c in children))


def number(value: float) -> str:
    """At most two decimals and no trailing zeros, so that drawings stay small.

    Examples
    --------
    >>> number(3.0), number(0.125), number(-0.001)
    ('3', '0.12', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def shown(text: str) -> str:
    """``text`` fit to be read: control, direction-changing and undecodable characters become visible escapes.

    Examples
    --------
    >>> shown("invoice\\u202egpj.wav\\n")
    'invoice\\\\u202egpj.wav\\\\x0a'
    """
    out = []
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            code = ord(character)
            out.append(f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
        else:
            out.append(character)
    return "".join(out)
