"""Turns formulas into MathML when the site is built, so that pages need no script for them."""

import html
import re

from latex2mathml import converter

_FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>',
    re.DOTALL,
)


def on_page_content(content, **_):
    """Called by MkDocs with each page's HTML."""
    return _FORMULA.sub(_mathml, content)


def _mathml(match):
    display = "block" if match[2] == "[" else "inline"
    formula = converter.convert(html.unescape(match[3]).strip(), display=display)
    return f'<{match[1]} class="formula">{formula}</{match[1]}>'
