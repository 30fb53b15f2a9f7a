"""A program for each client, `python -m tests.e2e.clients.drivers.NAME URL`: holds a conversation and prints it.

The JSON object on the last line has `streamed` and `whole`, each with `calls` (name and arguments) and the `answer`
made of their results; `structured` has the answers that had to fit a schema, by the method that asked for them.
"""
