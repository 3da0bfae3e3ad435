"""The wheel, built from the source distribution, holds our package and runs anywhere."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from support.served import clean_environment, prefect_home

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, source = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    # A build beside the sources leaves modules there that a later one would take in.
    for name in ("fusemine", "flows", "tasks"):
        shutil.copytree(REPOSITORY / name, source / name, symlinks=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder]
    subprocess.run([*command, source], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_exactly_our_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"fusemine"}
    files = [f for top in ("flows", "tasks") for f in (REPOSITORY / top).rglob("*.py")]
    files += (REPOSITORY / "tasks").rglob("templates/*")
    ours = {f"fusemine/{path.relative_to(REPOSITORY)}" for path in files}
    ours |= {"fusemine/__init__.py", "fusemine/py.typed"}
    assert {name for name in names if name.startswith("fusemine/")} == ours


def test_the_wheel_runs_outside_the_repository(
    wheel: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path / "fresh"
    venv.create(folder)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, cwd=tmp_path)
    # The dependencies of the test environment, without the editable fusemine in it.
    packages = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (Path(packages) / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    table = tmp_path / "notes.csv"
    table.write_text("note,kind\n" + "".join(f"note number {i} here,k{i % 2}\n" for i in range(20)))
    environment = {**clean_environment(), "PREFECT_HOME": str(prefect_home(tmp_path_factory))}
    environment.pop("PYTHONPATH", None)
    for arguments in (["init", table], ["run", tmp_path / "notes.pipeline.yaml"]):
        done = subprocess.run(
            [folder / "bin" / "fusemine", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    where = subprocess.run(
        [python, "-c", "import fusemine; print(fusemine.__file__)"],
        check=True, capture_output=True, text=True, cwd=tmp_path, env=environment,
    ).stdout  # fmt: skip
    assert where.startswith(str(folder))
    assert (tmp_path / "artifacts" / "notes" / "report" / "latest.html").is_file()
