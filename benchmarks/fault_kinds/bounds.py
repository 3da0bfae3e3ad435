"""What comes from outside and has no end: answers, files, settings; and too little memory."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fault_kinds.case import Case, Ran, fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GIB = 2**30
DIMENSION = 8


@contextmanager
def serving(answer: Callable[[Any, list[str]], None]) -> Iterator[str]:
    """The address of an embedding server that answers in some way."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with suppress(OSError):  # the client has had enough
                answer(self, body["input"])

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def send(
    handler: Any, content: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def vectors(handler: Any, texts: list[str], vector: Callable[[int], list[float]]) -> None:
    data = [{"index": n, "embedding": vector(n)} for n in range(len(texts))]
    send(handler, json.dumps({"data": data}).encode())


def refused(done: Ran, *words: str, within: float = 60) -> None:
    assert done.code in {1, 2}, f"exit code {done.code}: {done.text[-300:]}"
    assert any(word in done.text for word in words), f"the cause is not named: {done.text[-400:]}"
    assert "to fix:" in done.text, "what to do is not said"
    assert done.seconds < within, f"{done.seconds:.0f} s"


def run_with(case: Case, answer: Callable[[Any, list[str]], None], **settings: Any) -> Ran:
    with serving(answer) as url:
        endpoint = {"model": "outside", "endpoint": {"url": url, **settings}}
        case.edit(embed=endpoint, topics={"registry": "outside"})  # which rests on its encoder
        return case.run("run", case.pipeline, memory=12 * GIB)


@fault("an embedding endpoint that gives zeros for every text")
def zeros(case: Case) -> None:
    done = run_with(case, lambda h, t: vectors(h, t, lambda _: [0.0] * DIMENSION))
    refused(done, "zeros alone")


@fault("an embedding endpoint that gives one number all over")
def constant(case: Case) -> None:
    done = run_with(case, lambda h, t: vectors(h, t, lambda _: [0.25] * DIMENSION))
    refused(done, "the same number all over")


@fault("an embedding endpoint that gives every text the same vector")
def repeated(case: Case) -> None:
    same = [float(number) for number in range(DIMENSION)]
    refused(run_with(case, lambda h, t: vectors(h, t, lambda _: same)), "the same vector")


@fault("an embedding endpoint whose answer never ends")
def endless(case: Case) -> None:
    def flood(handler: Any, _: list[str]) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 2**20)

    refused(run_with(case, flood), "of more than")


@fault("an embedding endpoint whose answer is a decompression bomb")
def bomb(case: Case) -> None:
    packed = gzip.compress(bytes(2**20) * 1024)
    encoded = {"Content-Encoding": "gzip"}
    refused(run_with(case, lambda h, _: send(h, packed, headers=encoded)), "of more than")


@fault("an embedding endpoint whose error never ends")
def endless_error(case: Case) -> None:
    def flood(handler: Any, _: list[str]) -> None:
        handler.send_response(400)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 2**20)

    refused(run_with(case, flood), "status 400")


@fault("an embedding endpoint that asks to be tried again tomorrow")
def tomorrow(case: Case) -> None:
    later = {"Retry-After": "86400"}
    refused(run_with(case, lambda h, _: send(h, b"", 429, later)), "86,400 s asked for")


@fault("an embedding endpoint that never answers")
def silent(case: Case) -> None:
    done = run_with(case, lambda *_: time.sleep(30), timeout_seconds=1, attempts=2)
    refused(done, "no whole answer")
    assert "attempt 2 of 2" in done.err, "what is waited for is not said"


@fault("a Prefect server that takes connections and never answers")
def deaf(case: Case) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api"
        done = case.run("run", case.pipeline, env={"PREFECT_API_URL": url})
    refused(done, "no answer from the Prefect server", within=90)
    assert case.run("status", case.pipeline).code == 0


@fault("a pipeline.yaml of eight levels of aliases")
def laughs(case: Case) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with case.pipeline.open("a") as file:
        file.write("\n".join(lines) + "\n")
    refused(case.run("check", case.pipeline, memory=4 * GIB), "aliases", within=30)


@fault("a pipeline.yaml nested a hundred thousand deep")
def deep(case: Case) -> None:
    with case.pipeline.open("a") as file:
        file.write("notes: " + "[" * 100_000 + "\n")
    refused(case.run("check", case.pipeline), "deep", within=30)


@fault("a pipeline.yaml of ten megabytes")
def long_settings(case: Case) -> None:
    with case.pipeline.open("a") as file:
        file.write("notes: " + "x" * 10 * 2**20 + "\n")
    refused(case.run("check", case.pipeline), "bytes", within=30)


def one_line(path: Path) -> None:
    with gzip.open(path, "wb", 1) as file:
        file.write(b"id,opened,body,priority,minutes,urgent\n1,")
        for _ in range(1024):
            file.write(b"x" * 2**20)


for _command in ("check", "run"):

    @fault(f"a line of 64 megabytes, for {_command}")
    def long_line(case: Case, command: str = _command) -> None:
        path = case.inbox / "tickets-2024-05.csv"
        path.write_bytes(b"id,opened,body,priority,minutes,urgent\n1," + b"x" * 64 * 2**20)
        refused(case.run(command, case.pipeline, memory=12 * GIB), "more than 16,777,216 bytes")


@fault("a line of a gigabyte in a small gzip, for init")
def long_packed_line(case: Case) -> None:
    path = case.folder / "new.csv.gz"
    one_line(path)
    refused(case.run("init", path, memory=12 * GIB), "more than 16,777,216 bytes")


@fault("a line of a gigabyte in a file to predict", model=True)
def long_line_to_predict(case: Case) -> None:
    path = case.folder / "new.csv.gz"
    one_line(path)
    refused(case.run("predict", case.pipeline, path), "more than 16,777,216 bytes")


@fault("JSON lines that each bring a new key")
def keys(case: Case) -> None:
    path = case.folder / "keys.jsonl"
    path.write_text("".join(f'{{"body": "words {n}", "key{n}": 1}}\n' for n in range(60_000)))
    refused(case.run("init", path, memory=4 * GIB), "5,001 columns")


@fault("a CSV of a hundred thousand columns")
def columns(case: Case) -> None:
    path = case.folder / "wide.csv"
    header = ",".join(f"c{n}" for n in range(100_000))
    path.write_text(f"{header}\n{header}\n")
    refused(case.run("init", path, memory=4 * GIB), "100,000 columns")


@fault("a quote that is left open before thirty megabytes")
def open_quote(case: Case) -> None:
    path = case.inbox / "tickets-2024-05.csv"
    rows = "x,2024-05-01,words,low,1,no\n" * 2**20
    path.write_text(f'id,opened,body,priority,minutes,urgent\n"{rows}')
    refused(case.run("check", case.pipeline), "more than 16,777,216 bytes")


@fault("a Parquet file of six thousand columns")
def parquet_columns(case: Case) -> None:
    path = case.folder / "wide.parquet"
    pq.write_table(pa.table({f"c{n}": [n] for n in range(6_000)}), path)
    refused(case.run("init", path), "6,000 columns")


@fault("a Parquet file that is a megabyte of text, over and over")
def parquet_bomb(case: Case) -> None:
    path = case.folder / "bomb.parquet"
    text = pa.array(["x" * 2**20]).dictionary_encode()
    indices = pa.array([0] * 10_000, pa.int32())
    column = pa.DictionaryArray.from_arrays(indices, text.dictionary)
    pq.write_table(pa.table({"body": column}), path, store_schema=False)
    refused(case.run("init", path), "unpacks to more than")


for _gib in (1.5, 2, 3):

    @fault(f"a run with {_gib} GB of address space")
    def little_room(case: Case, gib: float = _gib) -> None:
        case.add_month()
        done = case.run("run", case.pipeline, memory=int(gib * 10**9))
        refused(done, "address space")
        assert done.code == 1, f"exit code {done.code}"
        assert case.run("prune", case.pipeline, "--dry-run").code == 0, "the lock is held"


@fault("a stage that stalls, with --stall")
def stalled(case: Case) -> None:
    case.add_month()
    process = case.start("run", case.pipeline, "--stall", "8")
    held: list[int] = []
    while process.poll() is None and not held:
        held = stages_of(process.pid)
        time.sleep(0.02)
    assert held, "no stage in a process of its own"
    os.kill(held[0], signal.SIGSTOP)
    assert process.wait(120) == 1, "a run whose stage stalls does not fail"
    text = (case.folder / "started-0.log").read_text()
    assert "reported no progress for 8 s" in text, text[-300:]
    assert case.run("prune", case.pipeline, "--dry-run").code == 0, "the lock is held"


@fault("a stage whose process is killed, as for lack of memory")
def killed(case: Case) -> None:
    case.add_month()
    process = case.start("run", case.pipeline, "--stall", "600")
    held: list[int] = []
    while process.poll() is None and not held:
        held = stages_of(process.pid)
        time.sleep(0.02)
    assert held, "no stage in a process of its own"
    os.kill(held[0], signal.SIGKILL)
    assert process.wait(120) == 1, "a run whose stage was killed does not fail"
    text = (case.folder / "started-0.log").read_text()
    assert "by SIGKILL, most likely for lack of memory" in text, text[-300:]
    assert case.run("run", case.pipeline).code == 0


def stages_of(parent: int) -> list[int]:
    """The processes of stages that a run has started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, stat = (process / "cmdline").read_text(), (process / "stat").read_text()
        except OSError:
            continue
        if "engine.child" in command and int(stat.rpartition(")")[2].split()[1]) == parent:
            found.append(int(process.name))
    return found
