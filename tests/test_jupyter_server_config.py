"""The settings of JupyterLab's server do what they say."""

import asyncio
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_a_kernel_s_replies_are_sent_at_once(monkeypatch):
    websocket = pytest.importorskip("jupyter_server.services.kernels.websocket")
    calls = []

    async def usual_open(self, kernel_id):
        calls.append(("open", kernel_id))

    class Connection:
        def set_nodelay(self, value):
            calls.append(("set_nodelay", value))

    monkeypatch.setattr(websocket.KernelWebsocketHandler, "open", usual_open)
    runpy.run_path(str(ROOT / "etc" / "jupyter" / "jupyter_server_config.py"))
    with ThreadPoolExecutor(1) as own:  # a browser's loop may run in this thread
        own.submit(asyncio.run, websocket.KernelWebsocketHandler.open(Connection(), "7")).result()
    assert calls == [("set_nodelay", True), ("open", "7")]
