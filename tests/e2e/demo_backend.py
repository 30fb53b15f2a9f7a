"""The demo backend as a program: writes its base URL and serves until SIGTERM, without a pause between words."""

import socket
import sys

from aiohttp import web

from gateway.demo import create_demo_app


def main() -> None:
    """Serve on a port of 127.0.0.1 that the system chooses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/v1\n")
        sys.stdout.flush()
        web.run_app(create_demo_app(pace_s=0), sock=listener, access_log=None, print=None)


if __name__ == "__main__":
    main()
