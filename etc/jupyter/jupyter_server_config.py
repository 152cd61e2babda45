"""Lets JupyterLab's server send a kernel's replies at once.

A reply is a few small packets. By default the operating system holds back the second until the first is acknowledged
(Nagle's algorithm), and the browser's side is slow to acknowledge, so on Linux every reply waits about 40 ms. That is
what makes a slider feel heavy. TCP_NODELAY switches the waiting off.
"""

from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

open_connection = KernelWebsocketHandler.open


async def open_without_delay(self, *args, **kwargs):
    self.set_nodelay(True)
    return await open_connection(self, *args, **kwargs)


KernelWebsocketHandler.open = open_without_delay
