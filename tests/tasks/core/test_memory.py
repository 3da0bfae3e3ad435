"""Too little memory is told from faults, and refused before a command begins."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
import torch

from fusemine.tasks.core import memory
from fusemine.tasks.core.errors import RunError
from fusemine.tasks.core.memory import check_memory, is_tight, memory_error


def allocate_in_torch() -> None:
    torch.empty(2**60, dtype=torch.uint8)


def allocate_in_arrow() -> None:
    pa.allocate_buffer(2**60)


def allocate_in_python() -> None:
    bytearray(2**60)


@pytest.mark.parametrize("allocate", [allocate_in_torch, allocate_in_arrow, allocate_in_python])
def test_an_allocation_that_fails_is_told_from_a_fault(allocate: object) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  (of each library's own type)
        allocate()  # type: ignore[operator]
    error = memory_error(caught.value, "embed of 2024-01")
    assert error is not None
    assert error.got.startswith("embed of 2024-01 needs more memory than there is")
    assert "window" in error.fix


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("libgomp.so.1: cannot allocate memory in static TLS block"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
    ],
    ids=repr,
)
def test_what_libraries_raise_without_memory_is_known(error: Exception) -> None:
    assert memory_error(error) is not None


@pytest.mark.parametrize(
    "error",
    [
        ValueError("out of memory"),  # what a user's own text may hold
        RuntimeError("shapes do not fit"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        ImportError("No module named 'x'"),
        pl.exceptions.ColumnNotFoundError("memory"),
    ],
    ids=repr,
)
def test_another_error_is_none_of_memory(error: Exception) -> None:
    assert memory_error(error) is None


@pytest.mark.parametrize(("mines", "least"), [(True, 2**30), (False, 2**28)])
def test_a_limit_of_a_container_is_held_against_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mines: bool, least: int
) -> None:
    file = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_GROUP_FILES", (str(tmp_path / "none"), str(file)))
    file.write_text("max\n")
    check_memory(mines)
    file.write_text(f"{least}\n")
    check_memory(mines)
    assert is_tight()
    file.write_text(f"{least - 1}\n")
    with pytest.raises(RunError, match="GiB of memory") as caught:
        check_memory(mines)
    assert f"at least {least / 2**30:g} GiB" in caught.value.expected


@pytest.mark.parametrize("command", ["run", "check", "predict"])
def test_a_command_without_address_space_ends_in_a_sentence(command: str, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1536 * 2**20, resource.RLIM_INFINITY))

    code = "from fusemine.flows.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, command, str(tmp_path / "pipeline.yaml")],
        capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: a limit of 1.5 GiB of address space (ulimit -v)")
    assert "Traceback" not in done.stderr
