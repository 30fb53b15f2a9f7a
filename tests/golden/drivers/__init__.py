"""Programs that read the golden streams with one client each: `python -m tests.golden.drivers.NAME URL`.

Cases come as a JSON list on stdin, results leave as a JSON object on stdout. Only the standard library and the client
are imported: each runs in the environment of its client.
"""
