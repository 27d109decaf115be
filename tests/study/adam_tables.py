"""A small trial as analysis data sets, in every format, and the mapping that fits it; changed by the tests."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pandas as pd

RANDOMISED = date(2021, 3, 1)
PEOPLE = ("S-01", "S-02", "S-03", "S-04", "S-05", "S-06")

ADSL = pd.DataFrame(
    {
        "USUBJID": PEOPLE,
        "ITTFL": ["Y", "Y", "Y", "Y", "", "N"],
        "TRT01P": ["Placebo", "Placebo", "Drug", "Drug", "Placebo", "Drug"],
        "RANDDT": [RANDOMISED + timedelta(days=k) for k in range(6)],
        "TR02SDT": [RANDOMISED + timedelta(days=28 * 7), None, None, None, None, None],
        "STRAT1": ["fast", "slow", "fast", "slow", "fast", "slow"],
        "AGE": [61.0, 58.0, 70.0, 55.0, 60.0, 49.0],
        "SEX": ["F", "M", "M", "F", "F", "M"],
        "EOSSTT": ["COMPLETED", "DISCONTINUED", "DISCONTINUED", "COMPLETED", "COMPLETED", "COMPLETED"],
        "DCSREAS": ["", "Withdrawal by Subject", "Death", "", "", ""],
        "EOSDT": [RANDOMISED + timedelta(days=k + d) for k, d in enumerate((196, 70, 100, 196, 196, 196))],
        "DTHDT": [None, None, RANDOMISED + timedelta(days=2 + 100), None, None, None],
    }
)


def bds():
    """ALSFRS-R: baseline, weeks 4 and 8 of everyone, and rows of every kind that is left out."""
    rows = []
    for k, person in enumerate(PEOPLE):
        for visit, number, day, value in (("Baseline", 0, 1, 40), ("Week 4", 4, 29, 38), ("Week 8", 8, 58, 36)):
            rows.append((person, "FRSTOT", visit, number, day, value - k, "Y" if number == 0 else "", "Y", ""))
    rows += [
        ("S-01", "FRSTOT", "Screening", -1, -7, 41, "", "Y", ""),
        ("S-01", "FRSTOT", "Week 12", 12, 85, 35, "", "", ""),  # not for the analysis
        ("S-02", "FRSTOT", "Unscheduled 8.01", 8.01, 60, 34, "", "Y", ""),
        ("S-03", "FRSTOT", "Week 12", 12, 85, 33, "", "Y", "LOCF"),
        ("S-04", "FRSTOT", "Week 12", 12, 85, None, "", "Y", ""),
        ("S-01", "FRS01", "Week 4", 4, 29, 4, "", "Y", ""),  # an item of the score
    ]
    names = ["USUBJID", "PARAMCD", "AVISIT", "AVISITN", "ADY", "AVAL", "ABLFL", "ANL01FL", "DTYPE"]
    table = pd.DataFrame(rows, columns=names)
    start = dict(zip(ADSL["USUBJID"], ADSL["RANDDT"], strict=True))
    days = [day - 1 if day > 0 else day for day in table["ADY"]]
    table["ADT"] = [start[who] + timedelta(days=day) for who, day in zip(table["USUBJID"], days, strict=True)]
    table["PARAM"] = table["PARAMCD"].map({"FRSTOT": "ALSFRS-R Total (points)", "FRS01": "Speech"})
    return table


ADTTE = pd.DataFrame(
    {
        "USUBJID": PEOPLE[:4],
        "PARAMCD": "PEG",
        "AVAL": [15.0, 70.0, 50.0, 196.0],
        "CNSR": [0.0, 1.0, 0.0, 1.0],
        "ADT": [RANDOMISED + timedelta(days=k + d) for k, d in enumerate((14, 69, 49, 195))],
    }
)

MAPPING = """
name = "small trial"
[data]
adsl = "{adsl}"
frs = "{frs}"
adtte = "{adtte}"

[persons]
population = {{ITTFL = "Y"}}
treatment = "TRT01P"
stratum = "STRAT1"
covariates = {{age = "AGE", male = {{variable = "SEX", values = {{F = 0, M = 1}}}}}}

[persons.start_groups]
Placebo = {{start_group = "delayed", drug_start_week = {{date = "TR02SDT", blank = "never"}}}}
Drug = {{start_group = "early", drug_start_week = 0}}

[clock]
day_1 = "RANDDT"

[[visits]]
data = "frs"
paramcd = "FRSTOT"
param = "ALSFRS-R Total (points)"
outcome = "alsfrs_r"
analysis = {{ANL01FL = "Y"}}
derived = "leave_out"
unscheduled = "leave_out"
time = "ADY"
baseline = "ABLFL"

[events]
end = "EOSDT"
reason = ["DCSREAS", "EOSSTT"]
[events.labels]
COMPLETED = "none"
Death = "death"
"Withdrawal by Subject" = "withdrawal"
[events.death]
date = "DTHDT"

[[time_to_event]]
data = "adtte"
paramcd = "PEG"
event = "gastrostomy"
time = "ADT"
"""

SAS_DAY_0 = date(1960, 1, 1)


def as_numbers(table):
    """Dates as SAS date numbers."""
    changed = table.copy()
    for name in table:
        if table[name].map(lambda cell: isinstance(cell, date)).any():
            changed[name] = [None if pd.isna(cell) else float((cell - SAS_DAY_0).days) for cell in table[name]]
    return changed


def write_xpt(table, path):
    import pyreadstat

    numbers = as_numbers(table)
    dated = {name: "DATE9." for name in table if name.endswith("DT")}
    for name in numbers:
        if name in dated:
            numbers[name] = numbers[name].astype(float)
    pyreadstat.write_xport(numbers, str(path), table_name=path.stem[:8].upper(), variable_format=dated)


def as_json(table, name):
    """Description and rows of Dataset-JSON 1.1."""
    columns = []
    for each in table:
        kind = "date" if each.endswith("DT") else "string" if table[each].dtype == object else "float"
        if table[each].map(lambda cell: isinstance(cell, str)).any():
            kind = "string"
        columns.append({"itemOID": f"IT.{name}.{each}", "name": each, "label": each, "dataType": kind})
    cells = [
        [None if pd.isna(cell) else cell.isoformat() if isinstance(cell, date) else cell for cell in row]
        for row in table.astype(object).itertuples(index=False, name=None)
    ]
    about = {
        "datasetJSONCreationDateTime": "2026-01-01T00:00:00", "datasetJSONVersion": "1.1.0", "records": len(cells),
        "name": name, "label": name, "itemGroupOID": f"IG.{name}", "columns": columns,
    }  # fmt: skip
    return about, cells


def write_json(table, path):
    about, cells = as_json(table, path.stem.upper())
    path.write_text(json.dumps({**about, "rows": cells}), encoding="utf-8")


def write_ndjson(table, path):
    about, cells = as_json(table, path.stem.upper())
    path.write_text("\n".join(json.dumps(line) for line in (about, *cells)), encoding="utf-8")


def write_csv(table, path):
    table.to_csv(path, index=False)


def write_parquet(table, path):
    table.to_parquet(path, index=False)


WRITERS = {
    "csv": write_csv, "parquet": write_parquet, "json": write_json, "ndjson": write_ndjson, "xpt": write_xpt,
}  # fmt: skip


def write(folder, suffix="csv", *, adsl=ADSL, frs=None, adtte=ADTTE, changed=()):
    """The mapping in a folder with the data sets; `changed` are pairs of text to replace in it."""
    text = MAPPING.format(**{name: f"{name}.{suffix}" for name in ("adsl", "frs", "adtte")})
    for old, new in changed:
        assert old in text, old
        text = text.replace(old, new)
    for name, table in (("adsl", adsl), ("frs", bds() if frs is None else frs), ("adtte", adtte)):
        WRITERS[suffix](table, folder / f"{name}.{suffix}")
    (folder / "mapping.toml").write_text(text, encoding="utf-8")
    return folder / "mapping.toml"
