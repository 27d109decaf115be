"""What a run's log keeps of an error: no label of a person."""

from __future__ import annotations

import re
import traceback
from typing import Any

from bayesmodels.errors import BadInput


def without_persons(error: Exception, data: Any) -> str:
    """Write an error with its traceback, without labels of persons; text of others that holds one is left out."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    lines = error.problems if isinstance(error, BadInput) else (str(error),)
    told = [getattr(line, "without_person", None) or _unless_it_names(line, data) for line in lines]
    return frames + "\n".join(f"{type(error).__name__}: {line}" for line in told)


def _unless_it_names(line: str, data: Any) -> str:
    """A line, unless it holds a person's label as a word; one that is a number, as a word in quotes."""
    for label in map(str, data.persons["person"] if hasattr(data, "persons") else ()):
        word = rf"['\"]{re.escape(label)}['\"]" if label.isdigit() else rf"(?<!\w){re.escape(label)}(?!\w)"
        if re.search(word, line):
            return "(names a person: not kept)"
    return line
