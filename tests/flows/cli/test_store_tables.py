"""The store of a pipeline: which space its settings use, and what is shown of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from support.small_root import everything
from support.small_store import FACTS, make_space

from fusemine.flows.cli.store_tables import prune_store, spaces_of, spaces_summary, spaces_table
from fusemine.flows.config.pipeline import Loaded, load_pipeline
from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.storage.locks import shared
from fusemine.tasks.embed.encoders.models import ModelFiles
from fusemine.tasks.embed.engine import spec_of
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.embed.store.space import STORE, space_of, write_facts

Write = Callable[[str, str | bytes], Path]
YAML = "version: 1\nname: birds\nsource: {path: a.csv}\ncolumns: {text: remarks}\n"
MONTH = timedelta(days=30)
LATELY, OLD = "1" * 16, "2" * 16
"""Names of spaces, which are hashes."""


@pytest.fixture
def loaded(write: Write) -> Loaded:
    return load_pipeline(write("pipeline.yaml", YAML))


@pytest.fixture
def filled(loaded: Loaded, model_files: ModelFiles) -> Loaded:
    """A pipeline with the space of its settings and two others, one long unused."""
    spec = spec_of(loaded.store, EmbedSettings(), model_files)
    today = space_of(EmbedSettings(), model_files, spec.precision).removeprefix(f"{STORE}/")
    for name, used in ((today, 50), (LATELY, 3), (OLD, 50)):
        make_space(loaded.root, name, [used])
    return loaded


def shown(loaded: Loaded) -> list[list[str]]:
    """The words of each line of the table."""
    out = StringIO()
    Console(file=out, width=240, highlight=False).print(spaces_table(spaces_of(loaded)))
    return [line.split() for line in out.getvalue().splitlines()]


def test_what_changes_a_vector_is_another_space(model_files: ModelFiles) -> None:
    values = ({}, {"prompt": "query: "}, {"storage": "float32"})
    named = [EmbedSettings.model_validate(value) for value in values]
    found = [space_of(settings, model_files, "float32") for settings in named]
    assert len({*found, space_of(named[0], model_files, "bfloat16")}) == 4
    same = {"device": "cpu", "columns": "apart", "batch_tokens": None, "languages": ["de"]}
    assert space_of(EmbedSettings(**same), model_files, "float32") == found[0]


def test_each_space_is_a_line_with_what_is_known_of_it(filled: Loaded) -> None:
    (filled.root / "store" / OLD / "space.json").write_text("{")
    lines = shown(filled)
    assert len(lines) == 4
    assert lines[0][:5] == ["space", "model", "path", "precision", "dimension"]
    assert lines[1][1:9] == ["birds", "packed", "float32", "4", "3", "0.0", "1", "2"]
    assert lines[1][9] == "50.0%"
    assert [line[-2:] for line in lines[1:]] == [["yes", "0"], ["no", "0"], ["no", "0"]]
    assert lines[3][:6] == [OLD, "?", "?", "?", "?", "3"]
    assert spaces_summary(filled, spaces_of(filled)) == "3 spaces, 0.0 MB"


def test_a_models_name_is_no_markup(loaded: Loaded) -> None:
    write_facts(loaded.store, f"{STORE}/{OLD}", FACTS.model_copy(update={"model": "[red]a[/red]"}))
    assert shown(loaded)[1][:2] == [OLD, "[red]a[/red]"]


def test_pruning_keeps_what_is_in_use_and_a_dry_run_keeps_all(filled: Loaded) -> None:
    names = {space.name for space in spaces_of(filled)}
    with shared(filled.root):  # as while a run goes on
        before = everything(filled.root)
        found = prune_store(filled, MONTH, dry_run=True)
        assert everything(filled.root) == before
    assert [gone.name for gone in found.goes] == [f"{STORE}/{OLD}"]
    assert prune_store(filled, MONTH, dry_run=False) == found
    assert {space.name for space in spaces_of(filled)} == names - {OLD}


def test_nothing_is_removed_where_it_is_not_known_what_is_in_use(
    write: Write, filled: Loaded
) -> None:
    other = load_pipeline(write("pipeline.yaml", f"{YAML}embed: {{model: no/such}}\n"))
    with pytest.raises(ModelError):
        prune_store(other, timedelta(0), dry_run=False)
    assert len(spaces_of(filled)) == 3


def test_a_pipeline_that_never_ran_has_no_store_and_gets_none(loaded: Loaded) -> None:
    found = f"nothing in the embedding store below {loaded.root}: the next run fills it"
    assert spaces_summary(loaded, spaces_of(loaded)) == found
    assert prune_store(loaded, MONTH, dry_run=False).lines() == [found]
    assert not loaded.root.exists()
