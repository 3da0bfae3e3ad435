"""A table that was mined month by month, with the models that came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
from click.testing import CliRunner

from fusemine.flows.cli.main import main
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.core.storage.artifact import ArtifactRef, ref_of
from fusemine.tasks.core.storage.records import sealed
from fusemine.tasks.serving.registry import Registry, read_registry
from support.tickets import SETTINGS, Table, write_csv

MONTHS = ("2024-03", "2024-04", "2024-05")
LEARNING = {**SETTINGS["classify"], "test_from": None, "test_share": 0.3}
MODELS = {"margin": 0.5}


def registry(table: Table) -> Registry:
    return read_registry(table.store)


def current_folder(table: Table) -> Path:
    current = registry(table).current
    assert current is not None
    return table.root / current.artifact


def command(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def files(root: Path) -> set[Path]:
    """All files below a root but those of the embedding store."""
    return {path for path in root.rglob("*") if "store" not in path.parts and path.is_file()}


def new_file(table: Table, rows: list[dict[str, str]], name: str = "new.csv") -> Path:
    return write_csv(table.folder / name, rows)


def scored_frame(table: Table, file: Path) -> pl.DataFrame:
    """The results of scoring a file by the command."""
    done = command("predict", table.pipeline, file, "--json")
    assert done.exit_code == 0, done.output
    return pl.read_parquet(json.loads(done.stdout)["results"])


def ref_in(folder: Path) -> ArtifactRef | None:
    """The artifact in a folder."""
    return ref_of(folder.parents[2], "/".join(folder.parts[-3:]))


def forge_manifest(folder: Path, changed: Path) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    stored = {"sha256": file_digest(changed), "size": changed.stat().st_size}
    name = next(n for n, file in manifest["files"].items() if file["name"] == changed.name)
    manifest["files"][name] |= stored
    path.write_bytes(sealed(manifest))
    assert ref_in(folder) is not None


def forge(table: Table, path: Path, content: bytes) -> None:
    """Change a file, its manifest and the registry, as one could who may write everything."""
    path.write_bytes(content)
    forge_manifest(path.parent, path)
    ref, where = ref_in(path.parent), table.root / "models" / "registry.json"
    assert ref is not None
    known = json.loads(where.read_text(encoding="utf-8"))
    (model,) = (e for e in known["entries"].values() if e["artifact"] == ref.name)
    model["sha256"] = ref.sha256
    where.write_bytes(sealed(known))
