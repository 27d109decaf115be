"""Rows of ``ard.json``: their groups, their keys, and what every file of them must obey."""

import jsonschema

from bayesmodels.reporting.ard import schema

KEYS = ("variable", "variable_level", "context", "table", "stat_name")


def groups_of(row):
    """Groups of a row of ``ard.json``, as a dict."""
    return {
        value: row[f"{name}_level"] for name, value in row.items() if name.startswith("group") and name[5:].isdecimal()
    }


def key_of(row):
    return (*sorted(groups_of(row).items()), *(row.get(name) for name in KEYS))


def checked(content):
    """Schema, and what a schema cannot say: pairs of groups without a gap, each key once."""
    validator = jsonschema.Draft202012Validator(schema())
    errors = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(content)]
    assert not errors, errors[:5]
    for row in content["results"]:
        numbers = sorted(int(name[5:]) for name in row if name.startswith("group") and name[5:].isdecimal())
        assert numbers == list(range(1, len(numbers) + 1))
        assert {f"group{number}_level" for number in numbers} == {n for n in row if n.startswith("group") and "_" in n}
    keys = [key_of(row) for row in content["results"]]
    assert len(set(keys)) == len(keys)
