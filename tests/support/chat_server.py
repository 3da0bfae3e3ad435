"""A real server of a language model on this machine, whose model is a function of the test's."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.embedding_server import Body, EmbeddingServer, Handler, Misbehaviour, Server

PATHS = {"/v1/chat/completions": "messages", "/v1/completions": "prompt"}


def titled(asked: str) -> str:
    """A name of the first two keywords of the last topic that is asked about."""
    words = re.findall(r"^Keywords: (.*)$", asked, re.MULTILINE)[-1].split(", ")
    return " and ".join(words[:2]).capitalize()


def as_json(asked: str) -> str:
    """The same in JSON, as the prompt asks for it."""
    return json.dumps({"name": titled(asked)})


@dataclass
class ChatServer(EmbeddingServer):
    """The server and the requests that it has got.

    Args:
        model: Gives the answer to the last message, or to the text that it goes on with.
        refuses: Parameters that the server does not know.
        status: Its status for those.
    """

    model: Callable[[str], str] = as_json
    refuses: tuple[str, ...] = ()
    status: int = 400

    def answer(self, body: Body) -> Body:
        """The good answer."""
        if "prompt" in body:
            return {"choices": [{"index": 0, "text": self.model(body["prompt"])}]}
        message = {"role": "assistant", "content": self.model(body["messages"][-1]["content"])}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


class _ChatHandler(Handler):
    state: ChatServer

    def _respond(self, body: Body, wrong: Misbehaviour) -> None:
        if PATHS.get(self.path) not in body:
            wrong = Misbehaviour(404, body=b'{"error": {"message": "no such path"}}')
        elif unknown := [name for name in self.state.refuses if name in body]:
            error = {"error": {"message": f"unsupported parameter: {unknown[0]}"}}
            wrong = Misbehaviour(self.state.status, body=json.dumps(error).encode())
        if wrong.how == "hang":
            self.state.released.wait(30)
        if wrong.how:
            self._close()
        else:
            self.wfile.write(self._whole(body, wrong))


@contextmanager
def chat_server(**state: Any) -> Iterator[ChatServer]:
    """A server on a free port of this machine; its url ends in /v1."""
    running = ChatServer(**state)
    server = Server(("127.0.0.1", 0), type("Handler", (_ChatHandler,), {"state": running}))
    running.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
