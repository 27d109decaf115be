"""Formulas of parts as text and HTML.

A trajectory may have an attribute `formula`, f(t) in terms of months t since randomisation and of its terms' names
("level + rate t"); a drug effect one that says what it makes of the untreated course f, x months after the drug's start
("f(t) + effect x_{+}"); a baseline hazard one that is h_0(t). Part and model are told apart by " where ", after which a
letter is explained. `_{...}` is a subscript, `^{...}` a superscript. A part without a formula is shown by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

_MARKED = re.compile(r"([_^])\{([^{}]*)\}")
_WORD_JOINER = "\u2060"
_LETTER = re.compile(r"(?<![\w&;#{])(?!a [a-z]{2})([A-Za-zΑ-ω])(?=_\{|[^\w;]|$)")

WHERE = " where "

MEANINGS = (
    (r"(?<!\w)t(?!\w)", "t: months since randomisation"),
    (r"(?<!\w)x(?!\w)", "x: months since the person's drug start"),
    (r"_\{\+\}", "( )_{+}: 0 where negative"),
    (r"\[(x > 0|week |in the )", "[ ]: 1 where true, else 0"),
)
"""Letters of formulas: a pattern that says whether one is there, and its meaning."""


def said(name: str) -> str:
    """A name of the user's as it stands in a formula: none of it is a subscript.

    Parameters
    ----------
    name : str
    """
    return _MARKED.sub(lambda found: f"{found[1]}{_WORD_JOINER}{{{found[2]}}}", name)


def formula_of(part: Any, without: str) -> str:
    """The formula of a part; of a user's own part that has none, what its name says.

    Parameters
    ----------
    part : trajectory, drug effect or baseline hazard
    without : str
        Template for a part without a formula: `{name}` is its class.
    """
    found = getattr(part, "formula", None)
    return found if isinstance(found, str) and found else without.format(name=said(type(part).__name__))


def course_formula(trajectory: Any, effect: Any, subscripts: Mapping[str, str]) -> str:
    """An outcome's course under the drug, from the formulas of its two parts.

    Parameters
    ----------
    trajectory, effect : parts
    subscripts : mapping of str to str
        Of a term: "i" where persons differ in it, "g" where start groups do; "" for neither.

    Returns
    -------
    str
        In one piece where the effect is added to f(t), else followed by what f(t) is.

    Examples
    --------
    >>> from bayesmodels.parts.effects import NoEffect
    >>> from bayesmodels.parts.trajectories import Linear
    >>> course_formula(Linear(), NoEffect(), {"level": "i", "rate": "i"})
    'level_{i} + rate_{i} t'
    """
    untreated, _, about_untreated = formula_of(trajectory, "{name}(t)").partition(WHERE)
    treated, _, about_treated = formula_of(effect, "f(t) + {name}(t, x)").partition(WHERE)
    meanings = [text for text in (about_treated, about_untreated) if text]
    if treated.startswith("f(t)") and not re.search(r"(?<!\w)f\(|with its", treated.removeprefix("f(t)")):
        treated = untreated + treated.removeprefix("f(t)")
    else:
        meanings.insert(0, f"f(t) = {untreated}")
    body = WHERE.join([treated, ", ".join(meanings)]) if meanings else treated
    return with_subscripts(body, subscripts)


def with_subscripts(formula: str, subscripts: Mapping[str, str]) -> str:
    """A formula whose terms bear subscripts.

    Parameters
    ----------
    formula : str
    subscripts : mapping of str to str
        By term; blank for none.
    """
    for name in sorted((name for name, mark in subscripts.items() if mark), key=len, reverse=True):
        pattern = rf"(?<![\w{{]){re.escape(name)}(?![\w:{_WORD_JOINER}])"
        formula = re.sub(pattern, rf"\g<0>_{{{subscripts[name]}}}", formula)
    return formula


def meanings(*formulas: str) -> list[str]:
    """What the letters in formulas stand for, those that are there.

    Parameters
    ----------
    *formulas : str
    """
    return [words for pattern, words in MEANINGS if any(re.search(pattern, formula) for formula in formulas)]


def as_html(formula: str) -> str:
    """A formula as HTML, names escaped, single letters in italics.

    Parameters
    ----------
    formula : str
    """
    body, where, about = formula.partition(WHERE)
    return _html(body) + (f"<br><small>where {_html(about)}</small>" if where else "")


def prose_html(text: str) -> str:
    """A sentence about a formula as HTML: names escaped, subscripts and superscripts as such.

    Parameters
    ----------
    text : str
    """
    return _scripts(escape(text))


def _html(formula: str) -> str:
    return _scripts(_LETTER.sub(r"<i>\1</i>", escape(formula)))


def _scripts(text: str) -> str:
    tags = {"_": "sub", "^": "sup"}
    return _MARKED.sub(lambda found: f"<{tags[found[1]]}>{found[2]}</{tags[found[1]]}>", text).replace(_WORD_JOINER, "")
