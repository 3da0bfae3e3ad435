"""A root belongs to one pipeline: another one of the same name is refused, and its owner named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.small_root import SmallRoot, row

from fusemine.flows.config.pipeline import load_pipeline
from fusemine.tasks.core.errors import SettingsError


@pytest.fixture
def small(tmp_path: Path) -> SmallRoot:
    made = SmallRoot(tmp_path)
    made.write(*(row(number, "2024-01-05") for number in range(3)))
    made.collect()
    return made


def copy_of(small: SmallRoot, name: str, source: str = "*.csv") -> Path:
    path = small.folder / name
    path.write_text(small.pipeline.read_text().replace("'*.csv'", source))
    return path


def test_another_pipeline_of_the_same_name_and_root_is_refused(small: SmallRoot) -> None:
    other = copy_of(small, "other.yaml", "reviews.csv")
    with pytest.raises(SettingsError) as refused:
        load_pipeline(other)
    assert f"belongs to {small.pipeline}" in refused.value.got
    assert "another name or root" in refused.value.fix
    assert refused.value.exit_code == 2


def test_a_file_that_was_renamed_and_one_whose_source_was_corrected_stay_the_owner(
    small: SmallRoot,
) -> None:
    renamed = small.pipeline.rename(small.folder / "renamed.yaml")
    text = renamed.read_text()
    assert load_pipeline(renamed).root == small.root
    load_pipeline(renamed).owner.claim()
    renamed.write_text(text.replace("*.csv", "t.csv"))
    load_pipeline(renamed).owner.claim()
    with pytest.raises(SettingsError):
        load_pipeline(small.pipeline)  # its place and its source are both others by now


def test_a_root_can_be_given_to_another_pipeline_by_hand(small: SmallRoot) -> None:
    other = copy_of(small, "other.yaml", "reviews.csv")
    (small.root / "pipeline.json").unlink()
    assert load_pipeline(other).root == small.root


def test_a_root_of_an_earlier_version_has_no_owner_yet(small: SmallRoot) -> None:
    shutil.rmtree(small.root)
    (small.root / "collect").mkdir(parents=True)
    assert load_pipeline(copy_of(small, "other.yaml", "reviews.csv")).root == small.root


def test_the_same_relative_path_in_two_folders_is_not_the_same_source(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        SmallRoot(folder, more={"root": str(tmp_path / "shared")}).write(row(1, "2024-01-05"))
    first, second = (SmallRoot(f, more={"root": str(tmp_path / "shared")}) for f in folders)
    first.collect()
    with pytest.raises(SettingsError, match="belongs to"):
        second.collect()
