"""`Verdict`: what one rung of the evidence says, in one of four answers; shared by all rungs.

The rungs are kept apart. Response: the drug moves the surrogate. Individual: within an arm, persons whose surrogate
changes differently have a different course. Trial: across randomised contrasts, the effect on the surrogate predicts
the effect on the outcome. None of them follows from another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Literal, get_args

Rung = Literal["response", "individual", "trial"]
Answer = Literal["not assessable", "not supported", "uncertain", "supported"]

RUNGS: tuple[Rung, ...] = get_args(Rung)
ANSWERS: tuple[Answer, ...] = get_args(Answer)

NOT_CONVERGED = "the chains did not converge"
"""Why nothing is assessable from such a fit."""

LONGER_CHAINS = "Longer chains, until they converge."
"""What would change that."""


@dataclass(frozen=True)
class Verdict:
    """The answer of one rung.

    Parameters
    ----------
    rung : {"response", "individual", "trial"}
    answer : {"not assessable", "not supported", "uncertain", "supported"}
        "not assessable": the design cannot say, whatever the numbers; it is not a failure.
    sentence : str
        The answer in plain words, limited to its rung.
    reasons : tuple of str
        Numbers and thresholds it rests on, one sentence each.
    what_would_change_it : tuple of str
        Data that would change the answer, one sentence each.
    """

    rung: Rung
    answer: Answer
    sentence: str
    reasons: tuple[str, ...] = ()
    what_would_change_it: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a rung or an answer that is none of the four."""
        for value, known in ((self.rung, RUNGS), (self.answer, ANSWERS)):
            if value not in known:
                raise ValueError(f"expected one of {', '.join(known)}, got {value!r}")

    @property
    def sentence_and_why(self) -> str:
        """The sentence, then every reason that it does not give itself, as a sentence each."""
        return " ".join([self.sentence, *self.unsaid])

    @property
    def unsaid(self) -> list[str]:
        """Reasons that the sentence does not give itself, a sentence each."""
        why = [reason.rstrip(".") for reason in self.reasons]
        return [f"{reason[0].upper()}{reason[1:]}." for reason in why if reason not in self.sentence]

    @property
    def line(self) -> str:
        """Rung, answer and sentence as text; of what is not assessable also why."""
        text = self.sentence_and_why if self.answer == "not assessable" else self.sentence
        return f"{self.rung}: {self.answer}. {text}"

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON types, as `summary.json` carries them under `surrogacy.<rung>.verdict`."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def _repr_html_(self) -> str:
        def lines(title: str, items: tuple[str, ...]) -> str:
            return f"<p>{title}</p><ul>{''.join(f'<li>{escape(i)}</li>' for i in items)}</ul>" if items else ""

        return (
            f"<p><strong>{self.rung}: {self.answer}.</strong> {escape(self.sentence)}</p>"
            f"{lines('Why', self.reasons)}{lines('What would change it', self.what_would_change_it)}"
        )
