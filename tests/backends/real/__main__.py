"""Starts a real server and says where: `python -m tests.backends.real NAME`, until Ctrl-C or SIGTERM."""

import signal
import sys
import threading
from contextlib import suppress

from tests.backends.real.installs import UnavailableError
from tests.backends.real.servers import SERVERS


def main() -> str | None:
    """Run the named server; return what went wrong."""
    names = ", ".join(SERVERS)
    if len(sys.argv) != 2 or sys.argv[1] not in SERVERS:
        return f"usage: python -m tests.backends.real NAME, where NAME is one of {names}"
    # Ended in any way, it takes the server with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with SERVERS[sys.argv[1]]() as server, suppress(KeyboardInterrupt):
            key = f" OPENAI_API_KEY={server.api_key}" if server.api_key else ""
            sys.stdout.write(f"OPENAI_API_BASE_URL={server.base_url}{key}\n")
            sys.stdout.flush()
            threading.Event().wait()
    except UnavailableError as error:
        return f"{sys.argv[1]} cannot be had here: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
