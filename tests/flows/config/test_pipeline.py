"""A pipeline.yaml is read strictly, and every mistake is named with its line and its fix."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fusemine.flows.config.pipeline import (
    Loaded,
    Pipeline,
    check_section,
    load_pipeline,
    schema_json,
)
from fusemine.tasks.core.errors import SettingsError, StageError
from fusemine.tasks.core.partition import By
from fusemine.tasks.mine.topics import STAGE

Write = Callable[[str, str | bytes], Path]
BASE = "version: 1\nname: birds\nsource: {path: a.csv}\ncolumns: {text: remarks}\n"
NUMBER = "{text: a, label: {column: b, kind: number, positive: c}}"
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
    found = (settings.window, settings.root, settings.embed.model)
    assert found == ("all", "artifacts", "all-MiniLM-L6-v2")


def test_paths_are_relative_to_the_file(load: Any, tmp_path: Path) -> None:
    loaded = load(BASE)
    assert loaded.base == tmp_path / "p"
    assert loaded.root == tmp_path / "p" / "artifacts" / "birds"
    assert load(BASE + "root: /data\n").root == Path("/data/birds")


def test_the_example_in_the_repository_can_be_read() -> None:
    path = Path(__file__).parents[3] / "data" / "wildlife" / "pipeline.yaml"
    assert load_pipeline(path).pipeline.name == "wildlife"


@pytest.mark.parametrize(
    ("section", "role", "place", "hint"),
    [
        ("topicss: {}\n", "", "1: topicss", "did you mean 'topics'?"),
        ("clusterr:\n  topics: 3\n", "", "1: clusterr", "did you mean 'columns'?"),
        ("topics:\n  topcs: 3\n", "", "2: topics.topcs", "did you mean 'topics'?"),
        ("fuse:\n  weights:\n    txt: 1\n", "", "3: fuse.weights.txt", "did you mean 'text'?"),
        ("embed: {zzz: 1}\n", "", "1: embed.zzz", "remove it; known: model, endpoint, "),
        ("", "tiem: x", "4: columns.tiem", "did you mean 'time'?"),
        ("", "texts: x", "4: columns.texts", "did you mean 'text'?"),
        ("", "knownat: x", "4: columns.knownat", "did you mean 'known_at'?"),
        ("", "time: {column: x, format: x}", "4: columns.time.format", "did you mean 'formats'?"),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_name(
    refused: Any, section: str, role: str, place: str, hint: str
) -> None:
    error = refused(section + BASE.replace("remarks", f"remarks, {role}"))
    assert error.got == f"pipeline.yaml:{place} is not a setting"
    assert error.fix.startswith(hint)


@pytest.mark.parametrize(
    ("added", "error"),
    [
        ("window: 0\n", "5: window is 0: Input should be greater than or equal to 1"),
        ("window: yes\n", "5: window is True: Input should be a valid integer"),
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
def test_a_wrong_value_is_named_with_its_line(refused: Any, added: str, error: str) -> None:
    found = refused(BASE + added)
    assert found.got.startswith(f"pipeline.yaml:{error}")
    assert found.fix == f"correct {error.split()[1]}"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("version: 1", "version: 2", "1: version is 2: Input should be 1"),
        ("birds", "B" * 200, f"2: name is '{'B' * 59}: String should"),
        ("birds", "Big Birds", "2: name is 'Big Birds': String should match pattern"),
        ("{path: a.csv}", "{path: a, separator: ab}", "3: source.separator is 'ab': String should"),
        ("{path: a.csv}", "a.csv", "3: source is 'a.csv': Input should be a valid dictionary"),
        ("remarks", "[remarks, 1]", "4: columns.text.1 is 1: Input should be a valid string"),
        ("{text: remarks}", "\n text:\n  - a\n  - 7\n  - c", "7: columns.text.1 is 7: Input shou"),
        ("{text: remarks}", NUMBER, "4: columns.label is {'column': 'b', 'kind': 'number', 'pos"),
        ("{text: remarks}", "{}", "4: columns is {}: name at least one text, category or number"),
        ("{text: remarks}", "{text: a, category: a}", "4: columns is {'text': 'a', 'category'"),
    ],
)
def test_a_wrong_line_is_named_by_its_number(refused: Any, old: str, new: str, error: str) -> None:
    assert refused(BASE.replace(old, new)).got.startswith(f"pipeline.yaml:{error}")


@pytest.mark.parametrize(("split", "role"), [("group", "group"), ("column", "split")])
def test_a_split_by_a_column_needs_the_column(
    load: Any, refused: Any, split: str, role: str
) -> None:
    added = f"classify: {{split: {split}}}\n"
    error = refused(BASE + added)
    assert f"classify.split: {split} needs columns.{role}; name the column there" in error.got
    named = BASE.replace("{text: remarks}", f"{{text: remarks, {role}: who}}")
    assert load(named + added).pipeline.classify.split == split


def test_a_wrong_item_of_a_label_rule_is_named_in_the_users_words(refused: Any) -> None:
    error = refused(FULL.replace("positive: present", "positive: [1]"))
    assert "columns.label.positive" in error.got
    assert "literal[" not in error.got + error.fix
    assert "function-before" not in error.got + error.fix


@pytest.mark.parametrize("key", ["version", "name", "source", "columns"])
def test_a_missing_key_is_named(refused: Any, key: str) -> None:
    content = "".join(line for line in BASE.splitlines(True) if not line.startswith(key))
    error = refused(content)
    assert error.got.endswith(f"{key} is missing")
    assert error.fix == f"add {key}"


def test_all_mistakes_are_named_at_once(refused: Any) -> None:
    error = refused(BASE + "window: 0\nembed: {devise: cpu}\n")
    assert "pipeline.yaml:5: window is 0" in error.got
    assert "pipeline.yaml:6: embed.devise is not a setting" in error.got
    assert error.fix == "correct window; did you mean 'device'?"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (BASE + "name: again\n", "pipeline.yaml:2: 'name' for the second time"),
        (BASE + "clean:\n  decimal: .\n  decimal: ','\n", "pipeline.yaml:6: 'decimal' for the"),
    ],
)
def test_a_key_that_comes_twice_is_refused(refused: Any, content: str, error: str) -> None:
    found = refused(content)
    assert found.got.startswith(error)
    assert found.expected == "each setting once"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "no mapping of settings at its top"),
        ("- a\n", "no mapping of settings at its top"),
        ("just text", "no mapping of settings at its top"),
        (BASE + "x: [1\n", "while parsing a flow sequence"),
        (BASE + "\tx: 1\n", "cannot start any token"),
        (BASE + "---\n" + BASE, "expected a single document"),
        (BASE + "notes: 2020-02-30\n", "day is out of range for month"),
        (BASE + "notes: &a [*a]\n", "a value that holds itself"),
        (BASE + "[1]: 2\n", "found unhashable key"),
        (BASE + 'notes: "\x00"\n', "characters are not allowed"),
        (BASE.encode("utf-16"), "UnicodeDecodeError"),
        (BASE + "x: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
    ],
)
def test_what_is_no_mapping_in_yaml_is_refused(refused: Any, content: Any, error: str) -> None:
    found = refused(content)
    assert error in found.got
    assert found.expected == "a readable pipeline.yaml"


def aliases(levels: int) -> str:
    """A value that holds the one before nine times, again and again."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (BASE + aliases(8), "more than 20,000 values, those counted that aliases repeat"),
        (BASE + aliases(8).replace("[", "{<<: [").replace("]", "]}"), "more than 20,000 values"),
        (BASE + "notes: " + "[" * 33 + "]" * 33, "values nested more than 32 deep"),
        (BASE + "notes: " + "[" * 100_000, "values nested more than 32 deep"),
        (BASE + "notes: " + "{a: " * 100_000, "values nested more than 32 deep"),
        (BASE + "- " * 100_000, "pipeline.yaml: "),
        (BASE + "title: [" + "1, " * 50_000 + "1]", "line 5: more than 20,000 values"),
        (BASE + "notes: " + "x" * 2**20, "more than 1,048,576 bytes"),
        (BASE + f"notes: {'1:' * 100_000}1\n", "line 5: a number of that many digits"),
        (BASE + f"notes: {'9' * 100_000}\n", "line 5: a number of that many digits"),
        (BASE + f"notes: 0x{'f' * 100_000}\n", "line 5: a number of that many digits"),
    ],
)
def test_a_file_beyond_a_bound_is_refused_before_it_takes_long(
    refused: Any, content: str, error: str
) -> None:
    found = refused(content)
    assert error in found.got
    assert len(found.got) < 1_000


def test_aliases_within_the_bounds_are_read(load: Any) -> None:
    again = BASE + "clean: {required: &c [remarks]}\nquality: &q {}\nanomalies: *q\n"
    assert load(again).pipeline.clean.required == ("remarks",)


def test_of_very_many_mistakes_some_are_described(refused: Any) -> None:
    found = refused(BASE + "".join(f"wrong{n}: 1\n" for n in range(9_000)))
    assert found.got.count("is not a setting") == 20


def test_a_file_that_is_not_there_is_refused_with_what_to_do(tmp_path: Path) -> None:
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


def test_settings_that_do_not_go_together_are_named_without_the_rest_of_the_file(
    refused: Any,
) -> None:
    mapped = BASE.replace("remarks}", "remarks, category: sky}")
    error = refused(mapped + "classify: {groups: [produkt]}\n")
    assert error.got == "pipeline.yaml: classify.groups of produkt: no category column"


@pytest.mark.parametrize("name", ["gaps", "models"])
def test_a_stage_with_the_section_of_another_is_refused(name: str) -> None:
    with pytest.raises(StageError) as refused:
        check_section(replace(STAGE, name=name))
    assert "fusemine.tasks.mine.topics" in refused.value.got
    assert "fusemine.flows.config.pipeline" in refused.value.got


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('title: "a\\0b"', r"'\x00'"),
        ('notes: "a\\e[2J"', r"'\x1b'"),
        ('root: "a\\nb"', r"'\n'"),
        ('topics: {registry: "a\\x9bb"}', r"'\x9b'"),
    ],
)
def test_what_no_file_or_server_takes_is_refused_with_its_line(
    refused: Callable[[str | bytes], SettingsError], line: str, shown: str
) -> None:
    error = refused(BASE + line + "\n")
    assert "pipeline.yaml:5: " in error.got
    assert error.got.endswith(f"with the character {shown}")


@pytest.mark.parametrize("line", ['title: "a\\ud800b"', '"a\\ud800": 1'])
def test_half_a_character_is_refused_with_its_line(
    refused: Callable[[str | bytes], SettingsError], line: str
) -> None:
    error = refused(BASE + line + "\n")  # by the parser of YAML itself
    assert "invalid Unicode character escape code" in error.got
    assert "line 5, column" in error.got


def test_a_column_may_have_any_name_that_a_file_can(
    load: Callable[[str | bytes], Loaded],
) -> None:
    named = BASE.replace("text: remarks", 'text: "bo\\x7fdy"')
    assert load(named).pipeline.columns.text == ("bo\x7fdy",)


@pytest.mark.parametrize("line", ['notes: "two\\nlines\\t."', 'title: "\\u202eé 鳥"'])
def test_texts_may_have_lines_and_any_script(write: Write, line: str) -> None:
    load_pipeline(write("pipeline.yaml", BASE + line + "\n"))


def test_a_separator_may_be_a_control_character(write: Write) -> None:
    source = 'source: {path: a.csv, separator: "\\x1f"}'
    load_pipeline(write("pipeline.yaml", BASE.replace("source: {path: a.csv}", source)))


@pytest.mark.parametrize("pattern", ["**/*.parquet", "artifacts/**/part-*.parquet"])
def test_a_source_that_names_the_pipelines_own_artifacts_is_refused(
    load: Callable[[str | bytes], Loaded], write: Write, pattern: str
) -> None:
    content = BASE.replace("a.csv", f'"{pattern}"')
    load(content)
    write("p/artifacts/birds/clean/all/key/part-00000.parquet", b"")
    with pytest.raises(SettingsError, match=r"files below the root .*part-00000\.parquet"):
        load(content)
    load(BASE.replace("a.csv", '"inbox/**/*.parquet"'))
