"""What a run's log keeps of an error: no label of a person."""

from __future__ import annotations

import re
import traceback
from collections.abc import Collection
from typing import Any

from bayesmodels.errors import BadInput

MASKED = "(...)"
"""Stands for a number that is, or may be, the label of a person."""

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w|\.\d)")


def without_persons(error: Exception, data: Any) -> str:
    """Write an error with its traceback, without labels of persons.

    A problem of a table has a line without its person. In other text a number that equals a label is masked, whatever
    it is a number of, and a line with a label that is no number is left out.

    Parameters
    ----------
    error : Exception
    data : Study or other
        Its `persons`, if it has any, say what the labels are.
    """
    labels = {str(label) for label in data.persons["person"]} if hasattr(data, "persons") else set()
    numbers = {float(label) for label in labels if _NUMBER.fullmatch(label)}
    words = [label for label in labels if not _NUMBER.fullmatch(label)]
    frames = "".join(traceback.format_tb(error.__traceback__))
    lines = error.problems if isinstance(error, BadInput) else (str(error),)
    told = [getattr(line, "without_person", None) or _masked(line, words, numbers) for line in lines]
    return frames + "\n".join(f"{type(error).__name__}: {line}" for line in told)


def _masked(line: str, words: Collection[str], numbers: Collection[float]) -> str:
    for word in words:
        forms = {re.escape(word), re.escape(repr(word)[1:-1])}  # as it is, and as Python quotes it
        if re.search(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)", line):
            return "(names a person: not kept)"
    return _NUMBER.sub(lambda found: MASKED if float(found[0]) in numbers else found[0], line)
