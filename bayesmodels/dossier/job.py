"""`make_dossier`: from a configuration to a dossier, and the folder that it is written to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from types import NoneType
from typing import Any

import pandas as pd

from bayesmodels.dossier.checklist import Item, checklist, checklist_table
from bayesmodels.dossier.config import read_dossier_config
from bayesmodels.dossier.contents import Contents, read_contents
from bayesmodels.dossier.page import lead, sections
from bayesmodels.dossier.statement import Statement
from bayesmodels.dossier.statements import cautions, statements
from bayesmodels.errors import BadInput, expect
from bayesmodels.html_tables import html_table
from bayesmodels.listed_folder import ELSEWHERE, PROGRAM, SCHEMA, ListedFolder
from bayesmodels.reporting.page import Lead, Section, compose
from bayesmodels.safe_labels import file_names, table_csv

PAGE, CONFIG, CHECKLIST, CONFIGS = "dossier.html", "dossier.toml", "checklist.json", "configs"


@dataclass(frozen=True, repr=False)
class Dossier:
    """A dossier on a run: page, tables, statements with their places, and a checklist.

    Parameters
    ----------
    title : str
    lead : Lead
        First screen of the page.
    sections : tuple of Section
    tables : dict of str to DataFrame
        By the name of their csv file.
    stated : tuple of Statement
        What the page states, each with its table and row; cautions first.
    items : tuple of Item
        The checklist.
    stamp : str or None
        The warning of a run that did not converge.
    verdict : str
        Grade of the run's chains: "ok", "short", "not_converged" or "not recorded".
    run : str
        Name of the run.
    texts : dict of str to bytes
        Configurations, word for word, by the name of their file.
    """

    title: str
    lead: Lead
    sections: tuple[Section, ...]
    tables: dict[str, pd.DataFrame]
    stated: tuple[Statement, ...]
    items: tuple[Item, ...]
    stamp: str | None
    verdict: str
    run: str
    texts: dict[str, bytes]

    @property
    def table(self) -> pd.DataFrame:
        """The success criteria: probability, threshold, answer."""
        return self.tables["success"]

    @property
    def html(self) -> str:
        """The page."""
        return compose(self.title, self.lead, self.sections, self.stamp)

    @property
    def answers(self) -> dict[str, str]:
        """Criterion to "met", "not met" or "not decided"."""
        return dict(zip(self.table["criterion"], self.table["answer"], strict=True)) if len(self.table) else {}

    @property
    def missing(self) -> tuple[Item, ...]:
        """Items of the checklist that are absent or there in part."""
        return tuple(item for item in self.items if item.status != "present")

    def sentence(self) -> str:
        """Say what must be known first, whether the criteria were met, and what is missing."""
        shown = [each.plain() for each in self.stated if each.mark or each.table == "checklist"]
        urgent = [each.plain() for each in self.stated if each.loud]
        return "\n".join([*([self.stamp] if self.stamp else []), *urgent, *shown])

    def document(self) -> dict[str, Any]:
        """The same for machines: verdict, answers, cautions and what is missing."""
        return {
            "run": self.run,
            "verdict": self.verdict,
            "success": json.loads(self.table.to_json(orient="records")),
            "missing": [{"asked": item.asked, "status": item.status, "how": item.how} for item in self.missing],
        }

    def files(self) -> dict[str, Callable[[], bytes]]:
        """Return the files of the folder by name, each with what makes its content; the page last."""
        found: dict[str, Callable[[], bytes]] = {}
        for name, file in file_names(self.tables).items():
            found[f"tables/{file}.csv"] = partial(table_csv, self.tables[name])
        for name, text in self.texts.items():
            found[name] = partial(bytes, text)
        found[CHECKLIST] = self._checklist_json
        found[PAGE] = lambda: self.html.encode()
        return found

    def save(self, folder: str | Path) -> Path:
        """Write ``dossier.html``, ``tables/*.csv``, ``checklist.json`` and the configurations.

        The folder is made if it is not there. An earlier dossier in it is replaced; anything else is refused.

        Parameters
        ----------
        folder : str or Path

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        BadInput
            The folder holds something else, or files of these names that the package did not write.
        """
        expect(folder, (str, Path), "folder", "give the folder to write the dossier to")
        listed = ListedFolder(Path(folder))
        check_place(listed)
        files = self.files()
        with listed.locked():
            listed.check_free(files)
            if listed.manifest() is not None:
                listed.empty()
            listed.begin("dossier", self.run, verdict=self.verdict, answers=self.answers)
            with listed.ending():
                listed.write_all(files)
        return listed.path

    def _checklist_json(self) -> bytes:
        content = {"schema": 1, "items": [vars(item) for item in self.items]}
        return json.dumps(content, indent=1, ensure_ascii=False).encode()

    def __repr__(self) -> str:
        """Return what `sentence` says."""
        return self.sentence()

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in self.sentence().splitlines())
        return f"<h3>{escape(self.title)}</h3>{lines}{html_table(checklist_table(self.missing))}"


def make_dossier(source: str | Path, out: str | Path | None = None) -> Dossier:
    """Make a dossier for regulators from a study's files: a run, its sensitivity runs, studies of simulated trials.

    Nothing is fitted, and PyMC is not needed.

    Parameters
    ----------
    source : str or Path
        A TOML file, or a folder with ``dossier.toml``; paths in it are relative to it.
    out : str or Path, optional
        Folder to write the dossier to (`Dossier.save`).

    Returns
    -------
    Dossier
        Page, tables, statements, checklist; printed, whether the criteria were met.

    Raises
    ------
    BadConfig
        Every problem of the configuration.
    BadInput
        Folders that are not what they should be, or a posterior that does not have what a criterion asks for.
    """
    expect(out, (str, Path, NoneType), "out", "give the folder that the dossier goes to")
    config = read_dossier_config(source)
    if out is not None:
        check_place(ListedFolder(Path(out)))  # said before the work, not after
    contents = read_contents(config)
    items = checklist(contents)
    contents.tables["checklist"] = checklist_table(items)
    stated = statements(contents, items)
    every = (*cautions(contents), *(each for part in stated.values() for each in part))
    contents.tables["statements"] = pd.DataFrame(
        [(each.text, each.file, each.row) for each in every], columns=["statement", "file", "row"]
    ).astype({"row": "Int64"})
    context = contents.run.reading.context
    made = Dossier(
        title=config.sections.dossier.name,
        lead=lead(contents, stated),
        sections=tuple(sections(contents, stated, items)),
        tables=contents.tables,
        stated=every,
        items=items,
        stamp=context.stamp,
        verdict=context.grade or "not recorded",
        run=str(contents.run.manifest["run"]),
        texts=_texts(contents),
    )
    if out is not None:
        made.save(out)
    return made


def check_place(folder: ListedFolder) -> None:
    """Refuse a folder that holds anything but a dossier.

    Parameters
    ----------
    folder : ListedFolder

    Raises
    ------
    BadInput
        Says what it holds.
    """
    manifest = folder.manifest()
    if manifest is None:
        if not folder.is_new:
            raise BadInput(
                f"{folder.path}: expected a new or empty folder, or one with a dossier; it holds other files and is "
                f"left as it is; {ELSEWHERE}"
            )
        return
    kind = "run of an earlier version" if manifest["schema"] != SCHEMA else manifest["kind"]
    if kind != "dossier":
        raise BadInput(f"{folder.path}: expected a dossier of {PROGRAM}, found a {kind}; {ELSEWHERE}")


def _texts(contents: Contents) -> dict[str, bytes]:
    """Configurations by name of their copy; those that are gone are left out."""
    found = {CONFIG: contents.config.text.encode(), f"{CONFIGS}/run.toml": contents.run.config}
    listed: list[tuple[str, Sequence[Any]]] = [("sensitivity", contents.sensitivity), ("trials", contents.studies)]
    for kind, each in listed:
        for number, one in enumerate(each, 1):
            found[f"{CONFIGS}/{kind}-{number}.toml"] = one.config
    return {name: text for name, text in found.items() if text}
