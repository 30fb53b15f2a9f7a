"""Asks the gateway of this machine whether it is alive: `python -m gateway.probe`, for images without curl.

Only the standard library, and no settings but three: it runs every few seconds beside the gateway.
"""

import http.client
import os
import ssl
import sys
from collections.abc import Mapping

TIMEOUT_S = 4.0
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 11434
REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a socket for all interfaces is reached # nosec B104
"""Where this machine reaches a socket that listens on every interface."""


def target(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return host and port from PROXY_HOST and PROXY_PORT. Raises ValueError when the port is no number."""
    host = environ.get("PROXY_HOST", "").strip().strip("[]") or DEFAULT_HOST
    port = environ.get("PROXY_PORT", "").strip()
    # The address of a Kubernetes Service named proxy, which the gateway ignores as well.
    if not port or port.startswith("tcp://"):
        return REACHED_AT.get(host, host), DEFAULT_PORT
    return REACHED_AT.get(host, host), int(port)


def connect(host: str, port: int, *, tls: bool) -> http.client.HTTPConnection:
    """Return a connection that is not made yet. Whether a certificate is right is for clients elsewhere to judge."""
    if not tls:
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)


def probe(host: str, port: int, *, tls: bool = False) -> str | None:
    """Return None when `/health` answers 200, else what is wrong."""
    connection = connect(host, port, tls=tls)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from {host} port {port}: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if status == http.HTTPStatus.OK else f"{host} port {port} answered {status}"


def main() -> int:
    """Return 0 for a gateway that is alive, else 1 with the reason on stderr."""
    try:
        problem = probe(*target(os.environ), tls=bool(os.environ.get("TLS_CERT_FILE", "").strip()))
    except ValueError as error:
        problem = f"PROXY_PORT: {error}"
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
    return 0 if problem is None else 1


if __name__ == "__main__":
    sys.exit(main())
