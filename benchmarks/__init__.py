"""Measures the gateway against a direct connection, a bare hop and other commits: docs/performance.md."""
