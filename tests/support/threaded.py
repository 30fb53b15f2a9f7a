"""A backend in a thread of the tests' process, for gateways that are processes of their own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Self

POLL_S = 0.02


class ThreadedBackend(ThreadingHTTPServer):
    """Serves while `serving` is open; a subclass says how."""

    daemon_threads = True

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Serve in a thread until the context closes."""
        with self:
            thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": POLL_S})
            thread.start()
            try:
                yield self
            finally:
                self.shutdown()
                thread.join()
