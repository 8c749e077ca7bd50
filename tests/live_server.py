"""The service for tests that need a real connection: in a thread of this process, on a free port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[str]:
    """``host:port`` of a service with ``settings``; its records and uploads are in ``folder``."""
    import uvicorn

    from earwitness.serve.app import create_app
    from earwitness.serve.settings import Settings

    usual = {"records": f"sqlite:///{folder}/records.sqlite", "spool": folder, "workers": 1, "rate_per_minute": 0}
    app = create_app(Settings(**{**usual, **settings}))
    # bound here, so that the port is known and nobody else can take it
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", ws="websockets-sansio", timeout_graceful_shutdown=5)
    )
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while not server.started and thread.is_alive() and time.monotonic() < end:
        time.sleep(0.02)
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
