"""Tests of the tools in benchmarks/."""
