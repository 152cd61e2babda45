"""What the tests of data sets share: no look at the user's own data, and a server that can misbehave."""

import http.server
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segedu.data import dataset

REAL = Path(os.environ.get("SEGEDU_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
"""Where the original data sets lie, on the machines that have them."""


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch, tmp_path):
    """No test sees the user's own data."""
    monkeypatch.delenv("SEGEDU_DATA", raising=False)
    monkeypatch.setattr(dataset, "cache_folder", lambda: tmp_path / "cache")


def save(pixels: np.ndarray, path: Path) -> Path:
    """An image file with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
    return path


class Server:
    """Serves one folder on this machine; `url` is its address, `ranges` the Range of each request, None without."""

    def __init__(self, folder: Path):
        self.folder, self.ranges = folder, []
        self.cut: int | None = None
        """After how many bytes of an answer the connection breaks off."""
        self.resumes, self.says_length, self.version = True, True, "1"
        self.status: int | None = None
        """An error to answer with."""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None  # a client that hangs up is what these tests are about
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, request) -> None:
        """RFC 9110's answers: 200, 206 where If-Range names this version, 416 beyond the end, 404."""
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        path = self.folder / request.path.lstrip("/")
        if self.status or not path.exists():
            request.send_error(self.status or 404)
            return
        content, tag = path.read_bytes(), f'"{self.version}"'
        begin = 0
        if asked and self.resumes and request.headers.get("If-Range", tag) == tag:
            begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if begin >= len(content):
                request.send_error(416)
                return
        request.send_response(206 if begin else 200)
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if self.says_length:
            request.send_header("Content-Length", str(len(content) - begin))
        request.send_header("ETag", tag)
        request.end_headers()
        request.wfile.write(content[begin:][: self.cut])

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served").mkdir()
    running = Server(tmp_path / "served")
    yield running
    running.close()
