"""The embedded demo backend: a real OpenAI-compatible server for a first try without any model, and for tests.

It imports nothing from the rest of the gateway, which reaches it over a socket like any other backend.
"""

from gateway.demo.server import DEFAULT_PACE_S, create_demo_app, run_demo

__all__ = ["DEFAULT_PACE_S", "create_demo_app", "run_demo"]
