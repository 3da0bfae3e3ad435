"""Shared by all tests: offline, repeatable, and one encoder for the whole session."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

# Before anything imports the libraries that read them.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Several processes of one thread each do more than threads that wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.storage.artifact import Job
from fusemine.tasks.embed.encoders.encoder import Encoder
from fusemine.tasks.embed.encoders.models import ModelFiles, find_model, load_encoder
from fusemine.tasks.embed.settings import EmbedSettings

if TYPE_CHECKING:
    from _pytest.tmpdir import TempPathFactory

# The same examples every time, on machines of any speed.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

Write = Callable[[str, str | bytes], Path]
MakeJob = Callable[..., Job]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes a file, text as UTF-8, below the test's folder."""

    def save(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return save


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """A function that makes the job of a stage below the test's folder."""

    def make(stage: str = "clean", partition: str = "all", content: str = "a") -> Job:
        recipe = Recipe({"raw": [content]}, {"x": 1}, {}, {"polars": "2"}, {"module": "code"})
        inputs, runs = ("raw/all/before",), {"flow_run_id": "f"}
        return Job(str(tmp_path / "root"), stage, partition, recipe, inputs, runs=runs)

    return make


@pytest.fixture(scope="session")
def model_files() -> ModelFiles:
    """The files of the default encoder, from its package."""
    return find_model(EmbedSettings(), Path("/"))


@pytest.fixture(scope="session")
def encoder(model_files: ModelFiles) -> Encoder:
    """The default encoder on the CPU."""
    return load_encoder(model_files, EmbedSettings(device="cpu"), "float32")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: TempPathFactory) -> Callable[[], Path]:
    """A function that makes a new folder: property tests need one for every example."""
    return lambda: tmp_path_factory.mktemp("example")
