"""Events that ask what they are: words for nothing, other words for an event of the model, and their answers."""

import tomllib

import pandas as pd
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import Study
from bayesmodels.study.checks.event_words import doubtful_events, event_questions, means_nothing, study_questions
from bayesmodels.study.checks.settings import check_event_labels

NOTHING = [
    "censored", "Censored", "CENSORED", "censor", "cens", "censored at week 24", "right-censored", "0", "0.0", "no",
    "No event", "no_event", "completed", "Completed study", "complete", "study completed", "alive", "Alive at cut-off",
    "still alive", "administrative", "Administrative censoring", "administratively censored", "admin", "end of study",
    "End-of-study", "EOS", "data cutoff", "data cut-off", "ongoing", "N/A", "NaN", "last contact", "survived", "false",
]  # fmt: skip
EVENTS = ["death", "withdrawal", "ventilation", "relapse", "nonelective surgery", "PEG", "1", "AE", "noble", "lost"]
SYNONYMS = [
    ("death", "dead"), ("death", "Died"), ("death", "deceased"), ("death", "DEATH (any cause)"), ("death", "fatal"),
    ("death", "Exitus"), ("dead", "death"), ("Death", "died"), ("death", "died at home"), ("death", "passed away"),
    ("withdrawal", "withdrawn"), ("withdrawal", "Withdrew consent"), ("withdrawal", "drop-out"),
    ("left", "Dropped out"),
    ("ventilation", "PAV"), ("ventilation", "permanent assisted ventilation"), ("tracheostomy", "tracheotomy"),
    ("NIV", "non-invasive ventilation"), ("gastrostomy", "PEG"), ("lost to follow-up", "LTFU"),
]  # fmt: skip
OTHERS = [
    ("death", "withdrawal"), ("death", "ventilation"), ("withdrawal", "withdrawal_progression"), ("death", "relapse"),
    ("ventilation", "NIV"), ("withdrawal", "lost to follow-up"), ("tracheostomy", "gastrostomy"),
    ("death, respiratory", "death, cardiac"), ("deaths", "death"),
]  # fmt: skip


@pytest.fixture
def made(persons, visits, events):
    """A study whose persons end with the given labels."""

    def study(*labels, **options):
        events["event"] = list(labels)
        return Study.from_frames(persons, visits, events, reference_group="delayed", **options)

    return study


def some(cases, each):
    """Every case, of which one in `each` is among the fast tests."""
    return [pytest.param(case, marks=() if k % each == 0 else pytest.mark.slow) for k, case in enumerate(cases)]


def questions(labels, *words):
    """What the labels of a table ask of a model that has `words` for events, without the rest of a study."""
    people = {"person": [f"P{k}" for k in range(len(labels))], "week": 30.0}
    frame = pd.DataFrame(people | {"event": list(labels)}, index=range(2, len(labels) + 2))
    return event_questions("events", frame, [{word: word for word in words}], {})


def asked(study, *words, **options):
    return study_questions(study, [{word: word for word in words}], **options)


def answer(line):
    return tomllib.loads(line[line.index("event_labels = ") :])["event_labels"]


@pytest.mark.parametrize("word", NOTHING)
def test_a_word_for_nothing_is_asked_about(word):
    (line,) = questions([word, word, "death", "none"], "death")
    assert f'"{word}" (2 rows) may mean "none" (nothing happened)' in line
    assert answer(line) == {word: "none"}


@pytest.mark.parametrize("word", some(NOTHING, each=9))
def test_a_word_for_nothing_is_asked_about_until_it_is_settled(made, word):
    study = made(word, word, "death", "none")
    (line,) = asked(study, "death")
    assert f'"{word}" (2 rows) may mean "none" (nothing happened)' in line
    assert line.startswith("events, row 2 (person P1, week 30): ")
    assert "person" not in line.without_person
    said = answer(line)
    assert said == {word: "none"}
    settled = made(word, word, "death", "none", event_labels=said)
    assert asked(settled, "death") == []
    assert list(settled.events["event"]) == ["none", "none", "death", "none"]
    assert settled.digest == made("none", "none", "death", "none").digest
    itself = made(word, word, "death", "none", event_labels={word: word})
    assert asked(itself, "death") == []
    assert itself.digest == study.digest


@pytest.mark.parametrize("word", EVENTS)
def test_an_event_is_no_word_for_nothing(word):
    assert not means_nothing(word)
    assert questions([word, word, "none", "none"]) == []


def test_a_word_for_nothing_that_the_configuration_names_is_settled(made):
    assert asked(made("completed", "completed", "death", "none"), "death", "completed") == []


@pytest.mark.parametrize(("event", "word"), SYNONYMS)
def test_another_word_for_an_event_of_the_model_is_asked_about(event, word):
    (line,) = questions([event, word, "none", "none"], event)
    assert f'"{word}" (1 row) may mean "{event}"' in line
    assert answer(line) == {word: event}


@pytest.mark.parametrize("pair", some(SYNONYMS, each=7))
def test_another_word_for_an_event_of_the_model_is_asked_about_until_it_is_settled(made, pair):
    event, word = pair
    study = made(event, word, "none", "none")
    (line,) = asked(study, event)
    assert f'"{word}" (1 row) may mean "{event}"' in line
    said = answer(line)
    assert said == {word: event}
    settled = made(event, word, "none", "none", event_labels=said)
    assert asked(settled, event) == []
    assert list(settled.events["event"]) == [event, event, "none", "none"]
    assert asked(made(event, word, "none", "none", event_labels={word: word}), event) == []


@pytest.mark.parametrize(("event", "word"), OTHERS)
def test_another_event_is_not(event, word):
    assert questions([event, word, "none", "none"], event) == []


def test_every_open_question_is_in_one_line_with_what_is_said_already(made):
    study = made("dead", "Died", "alive", "gone", event_labels={"gone": "none"})
    (line,) = asked(study, "death")
    assert answer(line) == {"gone": "none", "dead": "death", "Died": "death", "alive": "none"}
    again = made("dead", "Died", "alive", "gone", event_labels=answer(line))
    assert asked(again, "death") == []
    assert again.counts["events"] == {"death": 2, "none": 2}


@pytest.mark.parametrize("composite", [{"endpoint": "death", "death": "death"}, {"dead": "exitus letalis"}])
def test_a_composite_is_asked_about_by_its_labels_and_its_name(made, composite):
    (line,) = study_questions(made("died", "died", "none", "none"), [composite])
    assert answer(line) == {"died": next(iter(composite.values()))}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"gone": "deth"}, 'got "deth"; correct it'),
        ({"gone": "Death"}, 'got "Death"; "death" differs only by case'),
        ({"gone": "endpoint"}, 'got "endpoint"; "endpoint" is made of several labels: write the one that it is'),
    ],
)
def test_an_answer_that_is_no_event_of_the_model(made, given, said):
    study = made("gone", "gone", "death", "none", event_labels=given) if given["gone"] != "Death" else None
    study = study or made("gone", "gone", "none", "none", event_labels=given)
    (line,) = study_questions(study, [{"death": "death", "endpoint": "death"}])
    assert line.startswith(
        'study settings: event_labels: expected "gone" to be "none", "gone" itself or an event of the'
    )
    assert said in line


@pytest.mark.parametrize("given", [[("a", "b")], {"a": 1}, {"a": ""}, {"a": " none"}, "none", {1: "none"}])
def test_event_labels_of_another_kind(made, given):
    with pytest.raises(BadInput, match="expected event_labels as labels of the events table to"):
        made("none", "none", "death", "none", event_labels=given)


@pytest.mark.parametrize("label", ["none", "None", "NONE", "no_ne", "n o n e", "\uff4eone"])
def test_none_is_no_event_by_any_spelling(label):
    """Else a slip makes an event of every row at which nothing happened."""
    found = []
    check_event_labels({label: "death"}, found)
    (line,) = found
    assert line.startswith(f'study settings: event_labels: expected "{label}" to be "none"')
    assert f'got "death"; delete "{label}"' in line
    for meant in ("none", label):
        silent = []
        assert (check_event_labels({label: meant}, silent), silent) == ({label: meant}, [])


def test_none_is_no_event_of_a_study(made):
    with pytest.raises(BadInput) as caught:
        made("death", "None", "relapse", "none", event_labels={"None": "death", "relapse": "None"})
    none, relapse = caught.value.problems
    assert 'expected "None" to be "none"' in none
    assert relapse.endswith('expected "none" as what "relapse" is, got "None"; write "none"')
    settled = made("death", "None", "none", "none", event_labels={"None": "none"})
    assert list(settled.events["event"]) == ["death", "none", "none", "none"]


def test_event_labels_that_no_row_has(made, persons, visits):
    with pytest.raises(BadInput, match=r'event_labels names "Dead", which no row has; is it "dead"\?'):
        made("dead", "none", "none", "none", event_labels={"Dead": "death"})
    assert made("none", "none", "death", "none", event_labels={"dead": "death"})  # nobody yet: declared beforehand
    with pytest.raises(BadInput, match="event_labels needs an events table, and there is none"):
        Study.from_frames(persons, visits, reference_group="delayed", event_labels={"a": "none"})


def test_a_folder_without_configuration_is_warned_of_the_same(made):
    study = made("death", "Died", "censored", "none")
    (line,) = doubtful_events("events.csv", study.events.set_axis(range(2, 6)), {})
    assert answer(line) == {"Died": "death", "censored": "none"}
    settled = made("death", "Died", "censored", "none", event_labels=answer(line))
    assert doubtful_events("events.csv", settled.events.set_axis(range(2, 6)), settled.event_labels) == []


def test_deaths_are_counted_by_every_word_for_death(made):
    assert made("Deceased", "died at home", "Exitus", "none").counts["deaths"] == {"early": 2, "delayed": 1}
