"""Who else uses the local server, and a Prefect home, an output or a link that cannot be used."""

from __future__ import annotations

import atexit
import base64
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import httpx
from local import environment, free_port, wait_for

from fault_kinds.case import Case, Ran, fault
from fault_kinds.disk import fill, mounted
from fusemine.flows.server.credentials import closed
from fusemine.flows.server.gate import server_command

CREDENTIAL = "fusemine:of-the-benchmark"
JSON = {"Content-Type": "application/json"}


class Closed(NamedTuple):
    """A server as `fusemine ui` and a run start it."""

    port: int
    folder: Path

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def status(self, path: str, method: str = "GET", **headers: str) -> int:
        """How it answers a request with these headers."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = httpx.request(method, f"{self.api}/{path}", headers=sent, timeout=60)
        return answer.status_code

    def client(self, credential: str = CREDENTIAL) -> dict[str, str]:
        """What the environment of a command holds."""
        return {"PREFECT_API_URL": self.api, "PREFECT_API_AUTH_STRING": credential}


@cache
def closed_server() -> Closed:
    """A server for all faults of this file; it ends with the benchmark."""
    folder, port = Path(tempfile.mkdtemp(prefix="fusemine-closed-")), free_port()
    settings = environment(folder, closed(CREDENTIAL))
    process = subprocess.Popen(
        server_command("127.0.0.1", port),
        env=settings,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(process.kill)
    wait_for(f"http://127.0.0.1:{port}/api/health")
    return Closed(port, folder)


def refused(*codes: int) -> None:
    assert set(codes) <= {400, 401, 403}, f"let in: {codes}"


def says(done: Ran, *words: str) -> None:
    assert done.code in {1, 2}, f"exit code {done.code}: {done.text[-300:]}"
    assert any(word in done.text for word in words), f"not named: {done.text[-400:]}"
    assert "reset" not in done.text, f"a reset helps nothing: {done.text[-400:]}"


@fault("a page of another site reads artifacts")
def foreign_read(_case: Case) -> None:
    server, page = closed_server(), "http://127.0.0.1:8000"
    basic = base64.b64encode(CREDENTIAL.encode()).decode()
    refused(server.status("artifacts/filter", "POST", Origin=page, **JSON))
    refused(server.status("admin/version", Origin=page, Authorization=f"Basic {basic}"))
    refused(server.status("csrf-token?client=x", Origin="null"))


@fault("a page of another site asks before it sends (CORS)")
def preflight(_case: Case) -> None:
    server = closed_server()
    asked = {"Access_Control_Request_Method": "POST", "Origin": "http://evil.test"}
    refused(server.status("flow_runs/", "OPTIONS", **asked))


@fault("a page of another site posts a form or a request that needs no leave")
def simple_post(_case: Case) -> None:
    server = closed_server()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        refused(server.status("flow_runs/", "POST", Content_Type=kind, Origin="https://evil.test"))
        refused(server.status("flow_runs/", "POST", Content_Type=kind))


@fault("a name of an attacker's leads to the server (DNS rebinding)")
def rebinding(_case: Case) -> None:
    server = closed_server()
    for host in (f"evil.test:{server.port}", "evil.test", f"localhost.evil.test:{server.port}"):
        refused(server.status("health", Host=host), server.status("admin/version", Host=host))


@fault("a page of another site opens a websocket")
def websocket(_case: Case) -> None:
    port = closed_server().port
    for origin in ("http://evil.test", f"http://127.0.0.1:{port}"):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as made:
            lines = (
                "GET /api/events/in HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
                "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version: 13", f"Origin: {origin}", "", "",
            )  # fmt: skip
            made.sendall("\r\n".join(lines).encode())
            answer = made.recv(200).decode(errors="replace")
        assert answer.startswith("HTTP/1.1 403"), f"{origin}: {answer[:60]!r}"


@fault("another user of the machine asks the server")
def no_credential(_case: Case) -> None:
    server = closed_server()
    wrong = base64.b64encode(b"fusemine:wrong").decode()
    refused(server.status("flows/filter", "POST"), server.status("admin/settings"))
    refused(server.status("admin/version", Authorization=f"Basic {wrong}"))
    refused(server.status("variables/name/health"))


@fault("a run with the right credential is let in")
def right_credential(case: Case) -> None:
    done = case.run("run", case.pipeline, env=closed_server().client())
    assert done.code == 0, done.text[-400:]


@fault("a run with a wrong credential")
def wrong_credential(case: Case) -> None:
    done = case.run("run", case.pipeline, env=closed_server().client("fusemine:wrong"))
    says(done, "does not let this client in")
    assert "PREFECT_API_AUTH_STRING" in done.text


@fault("the temporary server of a run is asked by others")
def temporary(case: Case) -> None:
    process = case.start("run", case.pipeline, env={"PREFECT_API_URL": ""})
    try:
        port = temporary_port(process)
        refused(Closed(port, case.folder).status("flows/filter", "POST"))
        refused(Closed(port, case.folder).status("admin/version", Host="evil.test"))
        assert process.wait(200) == 0
    finally:
        process.kill()


def temporary_port(process: subprocess.Popen[bytes]) -> int:
    """The port of the server that a run has started, once it answers."""
    while process.poll() is None:
        for file in Path("/proc").glob("[0-9]*/status"):
            with suppress(OSError, httpx.TransportError):
                command = (file.parent / "cmdline").read_bytes().decode().split("\0")
                ours = f"PPid:\t{process.pid}\n" in file.read_text()
                if ours and any(part.endswith("server/gate.py") for part in command):
                    port = int(command[-2])
                    httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=30)
                    return port
    raise AssertionError("the run has no server of its own")


@fault("no room in Prefect's home")
def full_home(case: Case) -> None:
    with mounted(case.folder / "disk", "size=1m") as disk:
        fill(disk, 64 * 1024)
        home = {"PREFECT_HOME": str(disk / "home"), "PREFECT_API_URL": ""}
        says(case.run("run", case.pipeline, env=home), "no room is left on the disk")
        says(case.run("ui", env=home), "no room is left on the disk", "no prefect.yaml")


@fault("Prefect's home can only be read")
def read_only_home(case: Case) -> None:
    with mounted(case.folder / "disk", "size=1m,ro") as disk:
        for home in (disk, disk / "new"):
            done = case.run(
                "run", case.pipeline, env={"PREFECT_HOME": str(home), "PREFECT_API_URL": ""}
            )
            says(done, "can only be read")


@fault("Prefect's home is a file")
def file_as_home(case: Case) -> None:
    env = {"PREFECT_HOME": str(case.pipeline), "PREFECT_API_URL": ""}
    says(case.run("run", case.pipeline, env=env), "of another kind", "leads through a file")


@fault("Prefect's database is a folder")
def folder_as_database(case: Case) -> None:
    (case.folder / "own" / "prefect.db").mkdir(parents=True)
    env = {"PREFECT_HOME": str(case.folder / "own"), "PREFECT_API_URL": ""}
    says(case.run("run", case.pipeline, env=env), "prefect.db is a folder")


@fault("Prefect's database is damaged")
def damaged_database(case: Case) -> None:
    (case.folder / "own").mkdir()
    (case.folder / "own" / "prefect.db").write_bytes(b"no database at all " * 500)
    env = {"PREFECT_HOME": str(case.folder / "own"), "PREFECT_API_URL": ""}
    done = case.run("run", case.pipeline, env=env)
    says(done, "not a database")
    assert "move" in done.text, done.text[-300:]


@fault("a pipeline that is a link to itself")
def pipeline_loop(case: Case) -> None:
    loop = case.folder / "loop.yaml"
    loop.symlink_to(loop)
    for command in ("status", "check", "run"):
        says(case.run(command, loop), "leads to itself", "Symlink loop", "symbolic links")


@fault("a table, an artifact and an output behind a link to itself")
def other_loops(case: Case) -> None:
    loop = case.folder / "loop"
    loop.symlink_to(loop)
    says(case.run("init", loop), "leads to itself", "symbolic links")
    says(case.run("lineage", loop), "leads to itself", "symbolic links")
    says(case.run("export", case.pipeline, "-o", loop / "x.csv"), "leads to itself", "symbolic")


@fault("a folder as an output or as a pipeline")
def folders(case: Case) -> None:
    output = case.folder / "out.csv"
    output.mkdir()
    says(case.run("export", case.pipeline, "-o", output), "folder", "directory", "Directory")
    says(case.run("status", case.folder), "Directory", "folder")


@fault("no room where standard output goes")
def full_stdout(case: Case) -> None:
    for arguments in (["status", case.pipeline, "--json"], ["schema"]):
        command = ["sh", "-c", 'exec "$@" > /dev/full', "sh"]
        says(case.run(*arguments, before=command), "no room is left")


@fault("a process that may open few files")
def few_files(case: Case) -> None:
    case.add_month()
    done = case.run("run", case.pipeline, before=["sh", "-c", 'ulimit -n 24; exec "$@"', "sh"])
    assert done.code in {0, 1, 2}, done.text[-300:]
