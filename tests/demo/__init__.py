"""Tests of the embedded demo backend."""
