"""Record what the example pipelines give, and compare two recordings.

    python benchmarks/goldens.py record /tmp/before
    python benchmarks/goldens.py record /tmp/after
    python benchmarks/goldens.py compare /tmp/before /tmp/after --renamed cluster=topics

A refactoring changes keys and may change names; it must not change contents. A recording holds
the hash of every table's content, the reports, `run --json`, `status --json` and the exports of
the wildlife, reviews and groceries pipelines and of a small backfill. `data/*/fetch.py` lays the
data first. Recordings compare on one machine: other processors may differ in last bits.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

HERE = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).parent / "fusemine"
SETS = ("wildlife", "reviews", "groceries")
BACKFILL_FILES, BACKFILL_FROM = 24, "1990-06"
_KEY = re.compile(r"\b[0-9a-f]{16}\b")
_ID = re.compile(r"\b(all|\d{4}(?:-\d\d)?)-[0-9a-f]{6}\b")
_HASH = re.compile(r"\b[0-9a-f]{64}\b|sha256-[A-Za-z0-9+/=]{44}")
_SHOWN = 40


def record(folder: Path, sets: list[str]) -> None:
    """Run the pipelines in a new folder and write down what they gave."""
    for name in sets:
        began = time.monotonic()
        place = folder / name
        place.mkdir(parents=True)
        if name == "backfill":
            _backfill(place)
        else:
            _run(place, name)
        tables = _tables(place / "artifacts")
        (place / "tables.json").write_text(json.dumps(tables, indent=1, sort_keys=True))
        print(f"{name}: {len(tables)} files in {time.monotonic() - began:.0f} s", flush=True)


def _run(place: Path, name: str) -> None:
    source = HERE / "data" / name
    if not (source / "inbox").is_dir():
        raise SystemExit(f"no {source / 'inbox'}: run data/{name}/fetch.py first")
    (place / "inbox").symlink_to(source / "inbox")
    shutil.copy(source / "pipeline.yaml", place)
    _call(place, "run.json", "run", "pipeline.yaml", "--json")
    _call(place, "status.json", "status", "pipeline.yaml", "--json")
    _call(place, "export.out", "export", "pipeline.yaml", "-o", "results.csv")
    _call(place, "labels.out", "export", "pipeline.yaml", "--labels", "-o", "labels.csv")
    _call(place, "vectors.out", "export", "pipeline.yaml", "--vectors", "-o", "vectors.parquet")


def _backfill(place: Path) -> None:
    """Two years of wildlife strikes in windows of six months, the first months not mined."""
    (place / "inbox").mkdir()
    files = sorted((HERE / "data" / "wildlife" / "inbox").iterdir())[:BACKFILL_FILES]
    for file in files:
        shutil.copy(file, place / "inbox")
    settings = yaml.safe_load((HERE / "data" / "wildlife" / "pipeline.yaml").read_text())
    settings["classify"] = {"strategy": "early", "explain": 0, "checks": False, "resamples": 50}
    settings["window"] = 6
    (place / "pipeline.yaml").write_text(yaml.safe_dump(settings))
    _call(place, "backfill.json", "backfill", "pipeline.yaml", "--from", BACKFILL_FROM, "--json")
    _call(place, "status.json", "status", "pipeline.yaml", "--json")
    _call(place, "export.out", "export", "pipeline.yaml", "-o", "results.csv")


def _call(place: Path, name: str, *command: str) -> None:
    mine = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environment = {**mine, "PREFECT_HOME": str(place / "home"), "HF_HUB_OFFLINE": "1"}
    with (place / name).open("wb") as out, (place / f"{name}.log").open("wb") as log:
        done = subprocess.run(
            [COMMAND, *command], cwd=place, env=environment, stdout=out, stderr=log, check=False
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {(place / f'{name}.log').read_text()[-2000:]}")


def _tables(artifacts: Path) -> dict[str, str]:
    """The content of every file of an artifact, by stage, partition and name."""
    found: dict[str, str] = {}
    for path in sorted(artifacts.glob("*/*/*/*/manifest.json")):
        manifest = json.loads(path.read_text())
        place = f"{manifest['stage']}/{manifest['partition']}"
        for name, stored in manifest["files"].items():
            if name != "manifest.json":
                file = path.parent / stored.get("name", name)
                found[f"{place}/{name}"] = _content(file)
    return found


def _content(file: Path) -> str:
    if file.suffix == ".parquet":
        return _table_hash(pq.read_table(file))
    if file.suffix in {".html", ".md", ".json"}:
        return hashlib.sha256(_masked(file.read_text(encoding="utf-8")).encode()).hexdigest()
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _table_hash(table: pa.Table) -> str:
    """Hash of a table's names, types and values, whatever its metadata and chunks."""
    plain = table.replace_schema_metadata(None).combine_chunks()
    digest = hashlib.sha256(str(plain.schema).encode())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, plain.schema) as stream:
        stream.write_table(plain)
    digest.update(sink.getvalue())
    return digest.hexdigest()


def _masked(text: str) -> str:
    """A text without keys, hashes and ids of models, which change with the code."""
    return _ID.sub(r"\1-ID", _KEY.sub("KEY", _HASH.sub("HASH", text)))


def compare(before: Path, after: Path, renamed: dict[str, str], shown: int) -> int:
    """Print what differs between two recordings; how many things do."""
    differing = 0
    for place in sorted(p for p in before.iterdir() if (after / p.name).is_dir()):
        differing += _compare_tables(place, after / place.name, renamed)
        for name in ("run.json", "backfill.json", "status.json", "results.csv", "labels.csv"):
            if (place / name).exists():
                differing += _compare_texts(place / name, after / place.name / name, shown)
        for name in ("report.html", "report.md"):
            pair = [_report(folder, name) for folder in (place, after / place.name)]
            differing += _compare_texts(*pair, shown)
        vectors = [folder / "vectors.parquet" for folder in (place, after / place.name)]
        if vectors[0].exists() and _content(vectors[0]) != _content(vectors[1]):
            print(f"{place.name}: other vectors")
            differing += 1
    print(f"{differing} differ")
    return differing


def _compare_tables(before: Path, after: Path, renamed: dict[str, str]) -> int:
    old, new = (json.loads((folder / "tables.json").read_text()) for folder in (before, after))
    old = {_renamed(name, renamed): content for name, content in old.items()}
    lost, more = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    other = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    print(f"{before.name}: {len(old.keys() & new.keys()) - len(other)} files with the same content")
    for what, names in (("gone", lost), ("new", more), ("other content", other)):
        kinds: dict[str, int] = {}
        for name in names:
            stage, _, file = name.split("/", 2)
            kinds[f"{stage}/*/{file}"] = kinds.get(f"{stage}/*/{file}", 0) + 1
        for kind, count in kinds.items():
            print(f"  {what}: {kind} ({count})")
    return len(lost) + len(more) + len(other)


def _renamed(name: str, renamed: dict[str, str]) -> str:
    stage, rest = name.split("/", 1)
    return f"{renamed.get(stage, stage)}/{rest}"


def _report(place: Path, name: str) -> Path:
    """A file of the newest report, whatever is behind its name."""
    stem, ending = name.split(".")
    found = sorted(place.glob(f"artifacts/*/report/*/*/{stem}*.{ending}"))
    return max(found, key=lambda path: (path.parents[1].name, path.stat().st_mtime))


def _compare_texts(before: Path, after: Path, shown: int) -> int:
    old, new = (_lines(path) for path in (before, after))
    changes = [
        line
        for line in difflib.unified_diff(old, new, "before", "after", lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    if changes:
        print(f"{before.parent.name}/{before.name}: {len(changes)} lines differ")
        for line in changes[:shown]:
            print(f"    {line[:200]}")
    return len(changes)


def _lines(path: Path) -> list[str]:
    text = _masked(path.read_text(encoding="utf-8"))
    if path.suffix == ".json":
        text = json.dumps(_timeless(json.loads(text)), indent=1)
    return text.splitlines()


def _timeless(value: Any) -> Any:
    """The value without times, durations and paths."""
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    if not isinstance(value, dict):
        return value
    left_out = {"seconds", "report", "id", "pipeline", "created_at", "resume", "link", "run"}
    return {k: _timeless(v) for k, v in value.items() if k not in left_out}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="run the pipelines and record what they give")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--sets", nargs="*", default=[*SETS, "backfill"])
    comparing = commands.add_parser("compare", help="compare two recordings")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--renamed", nargs="*", default=[], metavar="OLD=NEW")
    comparing.add_argument("--shown", type=int, default=_SHOWN, help="lines of a difference")
    options = parser.parse_args()
    if options.command == "record":
        record(options.folder, options.sets)
        return
    renamed = dict(pair.split("=") for pair in options.renamed)
    sys.exit(compare(options.before, options.after, renamed, options.shown) > 0)


if __name__ == "__main__":
    main()
