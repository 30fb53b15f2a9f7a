"""Prometheus as it is installed, or as Debian builds it."""

from tests.support import debian


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`; skips the test where there is none, and says why."""
    return debian.program(name, "prometheus").path
