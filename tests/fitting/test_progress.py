"""Progress of chains and loops: what a terminal and a notebook show; short loops and batch jobs show nothing."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bayesmodels.fitting import progress
from bayesmodels.fitting.progress import (
    NotebookTable,
    Quiet,
    State,
    TerminalBars,
    chain_state,
    counted,
    progress_wanted,
)


class Kept(Quiet):
    """Remembers what it was shown."""

    def __init__(self):
        self.states, self.open = [], None

    def __enter__(self):
        self.open = True
        return self

    def __exit__(self, *exception):
        self.open = False

    def update(self, state):
        self.states.append(state)


@pytest.fixture
def kept(monkeypatch):
    made = Kept()
    monkeypatch.setattr(progress, "progress_display", lambda wanted: made)
    return made


def test_a_short_loop_shows_nothing(kept):
    assert list(counted(range(5), 5, "draws")) == list(range(5))
    assert kept.open is None


def test_a_long_loop_is_counted_to_its_end(kept, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    assert list(counted("abc", 3, "draws")) == ["a", "b", "c"]
    assert kept.states == [State("draws", n, 3) for n in (1, 2, 3)]
    assert kept.open is False


def test_loops_heed_what_the_settings_ask(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    asked = []
    monkeypatch.setattr(progress, "progress_display", lambda wanted: asked.append(wanted) or Quiet())
    with progress_wanted(False):
        list(counted(range(2), 2, "draws"))
    list(counted(range(2), 2, "draws"))
    assert asked == [False, None]


def test_a_loop_that_fails_ends_its_display(kept, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    loop = counted(range(3), 3, "draws")
    next(loop), next(loop)
    assert kept.open
    loop.close()
    assert kept.open is False


def test_a_terminal_has_a_bar_a_chain():
    bars, out = TerminalBars(), io.StringIO()
    bars._bars.live.console = Console(file=out, force_terminal=True, width=80, color_system=None)
    with bars:
        bars.update(chain_state(0, 10, tune=1000, draws=3000))
        bars.update(chain_state(1, 4000, tune=1000, draws=3000, divergences=3))
    shown = out.getvalue()
    assert "10/4000" in shown
    assert "tuning" in shown
    assert "4000/4000 sampling, 3 divergent" in shown  # in 80 columns


def test_a_chain_is_tuning_until_it_samples():
    notes = [chain_state(0, finished, 100, 200, 2).note for finished in (0, 99, 100, 300)]
    assert notes == ["tuning", "tuning", "sampling, 2 divergent", "sampling, 2 divergent"]
    assert chain_state(0, 150, 100, 200).share == 0.5


def test_a_notebook_has_a_row_a_chain_in_order():
    table = NotebookTable()
    assert "preparing" in table.markup()
    table._states = {s.label: s for s in (chain_state(9, 1, 2, 2), chain_state(1, 2, 2, 2), State("<draws>", 1, 1))}
    markup = table.markup()
    assert markup.index("chain 2") < markup.index("chain 10")
    assert "&lt;draws&gt;" in markup
    assert "value='0.500'" in markup


def test_batch_jobs_show_nothing(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(progress.progress_display(None), Quiet)
    assert isinstance(progress.progress_display(False), Quiet)
    assert isinstance(progress.progress_display(True), TerminalBars)
