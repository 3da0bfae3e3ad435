"""What the benchmarks of orchestration share: the wildlife pipeline, and a Prefect of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent.parent
DATA = HERE / "data" / "wildlife"
BIN = Path(sys.executable).parent
MARK = "FUSEMINE_BENCHMARK"
"""Environment variable that all processes of a server carry."""
FIRST_YEARS = ("1995", "1996")


def pipeline(folder: Path, months: int, **settings: Any) -> Path:
    """The wildlife pipeline over the months from 1995 on, in a folder of its own."""
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    files = [file for year in FIRST_YEARS for file in sorted(DATA.glob(f"inbox/*{year}*.csv"))]
    for file in files[:months]:
        shutil.copy(file, inbox)
    written = yaml.safe_load((DATA / "pipeline.yaml").read_text(encoding="utf-8"))
    del written["classify"]
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(written | settings), encoding="utf-8")
    return path


def environment(folder: Path, extra: dict[str, str]) -> dict[str, str]:
    """The environment of a process whose Prefect lives in the folder."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    return {**clean, "PREFECT_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1", **extra}


def start(
    command: list[str | Path], folder: Path, extra: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start a process that says nothing."""
    return subprocess.Popen(
        command,
        env=environment(folder, extra),
        cwd=HERE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def start_worker(folder: Path, extra: dict[str, str]) -> subprocess.Popen[bytes]:
    """A worker that takes two runs at a time."""
    command = [BIN / "prefect", "worker", "start", "--pool", "cpu", "--limit", "2"]
    return start([*command], folder, extra)


@contextmanager
def server(folder: Path) -> Iterator[dict[str, str]]:
    """A Prefect server with pools, deployments and the automation that ends zombie runs.

    Gives what the environment of its clients and workers needs.
    """
    port = free_port()
    extra = {
        MARK: uuid4().hex,
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    settings = environment(folder, extra)
    command = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=settings, stdout=quiet, stderr=quiet)
    try:
        wait_for(f"{extra['PREFECT_API_URL']}/health")
        for pool in ("cpu", "gpu", "control"):
            call = [BIN / "prefect", "work-pool", "create", pool, "--type", "process"]
            subprocess.run(call, env=settings, check=True, capture_output=True)
        call = [BIN / "prefect", "--no-prompt", "deploy", "--all"]
        subprocess.run(call, env=settings, cwd=HERE, check=True, capture_output=True)
        make_automations(settings)
        yield extra
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_automations(settings: dict[str, str]) -> None:
    code = (
        "from prefect.client.orchestration import get_client\n"
        "from fusemine.flows.server.automations import make_automations\n"
        "with get_client(sync_client=True) as client: make_automations(client, print)"
    )
    subprocess.run([sys.executable, "-c", code], env=settings, check=True, capture_output=True)


def wait_for(url: str) -> None:
    """Wait until an address answers."""
    for _ in range(300):
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.4)
    raise TimeoutError(url)
