"""The codecs alone, timed by pytest-benchmark: `python -m pytest benchmarks/micro`."""
