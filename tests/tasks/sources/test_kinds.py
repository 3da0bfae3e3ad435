"""Another kind of source is one file and one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# The pipeline's model is made of the kinds when it is imported, so this is a process of its own.
SCRIPT = """
import json, pathlib
from fusemine.tasks.sources.kinds import KINDS, Kind
from support.counted_source import CountedSettings, CountedSource

KINDS["counted"] = Kind(CountedSettings, CountedSource)

from fusemine.flows.config.pipeline import load_pipeline, schema_json
from fusemine.flows.engine.session import open_session
from fusemine.tasks.core.storage.artifact import locate
from support.stage_runs import PlainRunner
import polars as pl

def load(source):
    path = pathlib.Path("pipeline.yaml")
    path.write_text("version: 1\\nname: c\\ncolumns: {id: id, text: body}\\nsource: " + source)
    try:
        return load_pipeline(path)
    except Exception as error:
        return error.got.split(": ", 1)[1]

raw = open_session(load("{kind: counted, pieces: 2}"), PlainRunner()).listing.raw["all"]
rows = pl.read_parquet(locate(raw, "part-00000.parquet")).select("row_id", "source").rows()
wrong = ("{kind: counted, path: a.csv, pieces: 1}", "{kind: ftp}", "{pieces: 2, path: a.csv}")
print(json.dumps([rows, *map(load, wrong), "CountedSettings" in schema_json()]))
"""


def test_a_kind_that_is_registered_by_one_line_is_collected(tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == [
        [["1a", "1"], ["1b", "1"], ["2a", "2"], ["2b", "2"]],
        "source.path is not a setting",
        "source is {'kind': 'ftp'}: its kind is none of files, counted",
        "source.pieces is not a setting",  # a source that names no kind is files
        True,
    ]
