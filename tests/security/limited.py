"""Runs a module with few descriptors: `python -m tests.security.limited 120 gateway --port 1234`."""

import resource
import runpy
import sys

if __name__ == "__main__":
    files, module = sys.argv[1:3]
    del sys.argv[1:3]
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
