"""A pipeline.yaml is read strictly, and every mistake is told with its line and its fix."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fusemine.flows.config.pipeline import Loaded, Pipeline, load_pipeline, schema_json
from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.partition import By

Write = Callable[[str, str | bytes], Path]
BASE = "version: 1\nname: birds\nsource: {path: a.csv}\ncolumns: {text: remarks}\n"
FULL = """\
version: 1
name: birds
title: Birds
source:
  path: inbox/*.csv
  separator: ";"
columns:
  id: nr
  time: {column: date, formats: ["%m/%d/%Y"]}
  text: remarks
  category: [sky]
  label: {column: effect, positive: present}
partition: {by: week, timezone: Europe/Berlin, lag: P2D}
window: 12
clean: {required: [nr], decimal: ","}
topics: {topics: 7}
"""


@pytest.fixture
def load(write: Write) -> Callable[[str | bytes], Loaded]:
    return lambda content: load_pipeline(write("p/pipeline.yaml", content))


@pytest.fixture
def refused(load: Callable[[str | bytes], Loaded]) -> Callable[[str | bytes], SettingsError]:
    def refuse(content: str | bytes) -> SettingsError:
        with pytest.raises(SettingsError) as caught:
            load(content)
        return caught.value

    return refuse


def test_a_full_file_becomes_one_frozen_model(load: Any) -> None:
    settings = load(FULL).pipeline
    assert (settings.name, settings.title, settings.window) == ("birds", "Birds", 12)
    assert (settings.source.path, settings.source.separator) == ("inbox/*.csv", ";")
    assert settings.columns.time.formats == ("%m/%d/%Y",)
    assert settings.columns.label.positive == "present"
    assert (settings.partition.by, settings.partition.lag) == (By.WEEK, timedelta(days=2))
    assert (settings.clean.required, settings.clean.decimal) == (("nr",), ",")
    assert settings.topics.topics == 7
    with pytest.raises(ValidationError, match="frozen"):
        settings.window = 3


def test_four_lines_are_enough(load: Any) -> None:
    settings = load(BASE).pipeline
    assert (settings.window, settings.root, settings.embed.model) == (
        "all",
        "artifacts",
        "all-MiniLM-L6-v2",
    )


def test_paths_are_relative_to_the_file(load: Any, tmp_path: Path) -> None:
    loaded = load(BASE)
    assert loaded.base == tmp_path / "p"
    assert loaded.root == tmp_path / "p" / "artifacts" / "birds"
    assert load(BASE + "root: /data\n").root == Path("/data/birds")


def test_the_example_in_the_repository_can_be_read() -> None:
    path = Path(__file__).parents[3] / "data" / "wildlife" / "pipeline.yaml"
    assert load_pipeline(path).pipeline.name == "wildlife"


@pytest.mark.parametrize(
    ("added", "place", "hint"),
    [
        ("topicss: {}\n", "p.yaml:5: topicss", "did you mean 'topics'?"),
        ("topics:\n  topcs: 3\n", "p.yaml:6: topics.topcs", "did you mean 'topics'?"),
        ("fuse:\n  weights:\n    txt: 1\n", "p.yaml:7: fuse.weights.txt", "did you mean 'text'?"),
        ("embed: {zzz: 1}\n", "p.yaml:5: embed.zzz", "remove it; known: model, endpoint, "),
    ],
)
def test_an_unknown_key_is_told_with_its_line_and_the_nearest_name(
    refused: Any, added: str, place: str, hint: str
) -> None:
    error = refused(BASE + added)
    assert error.got == f"{place.replace('p.yaml', 'pipeline.yaml')} is not a setting"
    assert error.fix.startswith(hint)


@pytest.mark.parametrize(
    ("key", "known"), [("tiem", "time"), ("texts", "text"), ("knownat", "known_at")]
)
def test_an_unknown_role_is_told_too(refused: Any, key: str, known: str) -> None:
    error = refused(BASE.replace("{text: remarks}", f"\n  text: remarks\n  {key}: x"))
    assert error.got == f"pipeline.yaml:6: columns.{key} is not a setting"
    assert error.fix == f"did you mean {known!r}?"


def test_a_role_inside_an_optional_mapping_gets_a_hint(refused: Any) -> None:
    error = refused(FULL.replace("formats", "format"))
    assert error.got == "pipeline.yaml:9: columns.time.format is not a setting"
    assert error.fix == "did you mean 'formats'?"


def test_an_unknown_key_above_a_mapping_is_told_with_its_own_line(refused: Any) -> None:
    assert refused(BASE + "clusterr:\n  topics: 3\n").got.startswith("pipeline.yaml:5: clusterr")


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("window: 0\n", "5: window is 0: Input should be greater than or equal to 1"),
        ("window: 1.5\n", "5: window is 1.5: Input should be a valid integer"),
        ("clean:\n", "5: clean is None: Input should be a valid dictionary"),
        ("clean: [1]\n", "5: clean is [1]: Input should be a valid dictionary"),
        ("topics:\n  topics: 0\n", "6: topics.topics is 0: Input should be greater than"),
        ("partition: {by: decade}\n", "5: partition.by is 'decade': Input should be 'day', 'week'"),
        ("partition:\n  timezone: Mars/X\n", "6: partition.timezone is 'Mars/X': 'Mars/X' is not"),
        ("embed: {device: gpu}\n", "5: embed.device is 'gpu': String should match pattern"),
        ("clean: {required: x}\n", "5: clean.required is 'x': Input should be a valid tuple"),
    ],
)
def test_a_wrong_value_is_told_with_its_line(refused: Any, added: str, told: str) -> None:
    error = refused(BASE + added)
    assert error.got.startswith(f"pipeline.yaml:{told}")
    assert error.fix == f"correct {told.split()[1]}"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 1", "version: 2", "1: version is 2: Input should be 1"),
        ("birds", "Big Birds", "2: name is 'Big Birds': String should match pattern"),
        ("{path: a.csv}", "{path: a, separator: ab}", "3: source.separator is 'ab': String should"),
        ("{path: a.csv}", "a.csv", "3: source is 'a.csv': Input should be a valid dictionary"),
        ("remarks", "[remarks, 1]", "4: columns.text.1 is 1: Input should be a valid string"),
        ("{text: remarks}", "{}", "4: columns is {}: name at least one text, category or number"),
        ("{text: remarks}", "{text: a, category: a}", "4: columns is {'text': 'a', 'category'"),
    ],
)
def test_a_wrong_line_is_told_by_its_number(refused: Any, old: str, new: str, told: str) -> None:
    assert refused(BASE.replace(old, new)).got.startswith(f"pipeline.yaml:{told}")


NUMBER = "{text: a, label: {column: b, kind: number, positive: c}}"


@pytest.mark.parametrize(("split", "role"), [("group", "group"), ("column", "split")])
def test_a_split_by_a_column_needs_the_column(
    load: Any, refused: Any, split: str, role: str
) -> None:
    added = f"classify: {{split: {split}}}\n"
    error = refused(BASE + added)
    assert f"classify.split: {split} needs columns.{role}; name the column there" in error.got
    named = BASE.replace("{text: remarks}", f"{{text: remarks, {role}: who}}")
    assert load(named + added).pipeline.classify.split == split


def test_a_number_label_with_a_positive_class_is_told_with_what_to_do(refused: Any) -> None:
    error = refused(BASE.replace("{text: remarks}", NUMBER))
    assert error.got.startswith("pipeline.yaml:4: columns.label is {'column': 'b', 'kind': 'numb")
    assert "a label of kind number has none; remove one of the two" in error.got
    assert error.fix == "correct columns.label"


def test_a_wrong_item_of_a_label_rule_is_told_in_the_users_words(refused: Any) -> None:
    error = refused(FULL.replace("positive: present", "positive: [1]"))
    assert "columns.label.positive" in error.got
    assert "literal[" not in error.got + error.fix
    assert "function-before" not in error.got + error.fix


def test_a_wrong_item_of_a_list_is_told_with_its_own_line(refused: Any) -> None:
    content = BASE.replace("{text: remarks}", "\n  text:\n    - a\n    - 7\n    - c")
    assert refused(content).got.startswith("pipeline.yaml:7: columns.text.1 is 7: Input should")


def test_a_long_value_is_not_shown_whole(refused: Any) -> None:
    error = refused(BASE.replace("birds", "B" * 200))
    assert error.got.startswith(f"pipeline.yaml:2: name is '{'B' * 59}: String should")


@pytest.mark.parametrize("key", ["version", "name", "source", "columns"])
def test_a_missing_key_is_told(refused: Any, key: str) -> None:
    content = "".join(line for line in BASE.splitlines(True) if not line.startswith(key))
    error = refused(content)
    assert error.got.endswith(f"{key} is missing")
    assert error.fix == f"add {key}"


def test_all_mistakes_are_told_at_once(refused: Any) -> None:
    error = refused(BASE + "window: 0\nembed: {devise: cpu}\n")
    assert "pipeline.yaml:5: window is 0" in error.got
    assert "pipeline.yaml:6: embed.devise is not a setting" in error.got
    assert error.fix == "correct window; did you mean 'device'?"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (BASE + "name: again\n", "pipeline.yaml:2: 'name' for the second time"),
        (BASE + "clean:\n  decimal: .\n  decimal: ','\n", "pipeline.yaml:6: 'decimal' for the"),
    ],
)
def test_a_key_that_comes_twice_is_refused(refused: Any, content: str, told: str) -> None:
    error = refused(content)
    assert error.got.startswith(told)
    assert error.expected == "each setting once"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no mapping of settings at its top"),
        ("- a\n", "no mapping of settings at its top"),
        ("just text", "no mapping of settings at its top"),
        (BASE + "x: [1\n", "while parsing a flow sequence"),
        (BASE + "\tx: 1\n", "cannot start any token"),
        (BASE + "---\n" + BASE, "expected a single document"),
        (BASE + "[1]: 2\n", "found unhashable key"),
        (BASE + 'notes: "\x00"\n', "special characters are not allowed"),
        (BASE.encode("utf-16"), "UnicodeDecodeError"),
        (BASE + "x: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
    ],
)
def test_what_is_no_mapping_in_yaml_is_refused(refused: Any, content: Any, told: str) -> None:
    error = refused(content)
    assert told in error.got
    assert error.expected == "a readable pipeline.yaml"


def test_a_date_that_does_not_exist_is_refused(refused: Any) -> None:
    assert "pipeline.yaml" in refused(BASE + "notes: 2020-02-30\n").got


def test_yaml_that_holds_itself_is_refused(refused: Any) -> None:
    assert "pipeline.yaml" in refused(BASE + "notes: &a [*a]\n").got


def test_a_truth_value_is_no_window(refused: Any) -> None:
    assert "window is True" in refused(BASE + "window: yes\n").got


def test_a_file_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    for path in (tmp_path / "no.yaml", tmp_path):
        with pytest.raises(SettingsError) as caught:
            load_pipeline(path)
        assert str(path) in caught.value.got
        assert "fusemine init TABLE" in caught.value.fix


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for model in (schema, *schema["$defs"].values()):
        yield from model.get("properties", {}).items()


def test_the_schema_is_json_with_a_description_for_every_setting() -> None:
    schema = json.loads(schema_json())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == ["columns", "name", "source", "version"]
    names = [name for name, _ in properties(schema)]
    assert {"path", "encoding", "text", "timezone", "topics", "device"} <= set(names)
    sections = set(Pipeline.model_fields)
    bare = [name for name, value in properties(schema) if not value.get("description")]
    assert set(bare) <= sections - {"version", "name", "title", "notes", "root", "window"}


def test_settings_that_do_not_go_together_are_told_without_the_rest_of_the_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(
        "version: 1\nname: t\nsource: {path: t.csv}\ncolumns: {text: body, category: [product]}\n"
        "classify: {groups: [produkt]}\n"
    )
    with pytest.raises(SettingsError) as caught:
        load_pipeline(path)
    assert caught.value.got == "pipeline.yaml: classify.groups of produkt: no category column"
