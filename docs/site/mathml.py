"""Formulas as MathML: a browser shows them without a script, a font or the network.

`latex2mathml` (MIT) translates; Sphinx asks for the renderer by `html_math_renderer = "mathml"`.
"""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert


def mathml(formula: str, display: str) -> str:
    """A formula in TeX as MathML, with space about the sign of a distribution and the names of functions.

    Parameters
    ----------
    formula : str
    display : {"inline", "block"}
    """
    made = convert(formula, display=display).replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")
    return re.sub("<mi>(log|exp)</mi>", r'<mo lspace="0.17em" rspace="0.17em">\1</mo>', made)


def inline(translator: Any, node: nodes.math) -> None:
    """A formula in a line."""
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block(translator: Any, node: nodes.math_block) -> None:
    """A formula on lines of its own, which scrolls where a screen is narrow."""
    translator.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
