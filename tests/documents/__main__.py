"""The end of `make docs-check`: what the documents have of each kind, and whether links out of them hold."""

import argparse
import asyncio

from tests.documents.external import broken, external_links
from tests.documents.files import blocks, documents, links


def main() -> int:
    """Return the exit code: 1 where a link leads nowhere."""
    parser = argparse.ArgumentParser(prog="python -m tests.documents", description=__doc__)
    parser.add_argument("--external", action="store_true", help="ask for what links outside of the project lead to")
    external = external_links()
    found = list(documents())
    inner = sum(len(links(document)) for document in found) - sum(map(len, external.values()))
    code = sum(1 for document in found for _ in blocks(document))
    print(f"{len(found)} documents, {code} blocks of code, {inner} links within, {len(external)} to other places")
    if not parser.parse_args().external:
        return 0
    fates = asyncio.run(broken(external))
    for address, fate in fates.items():
        print(f"{fate}: {address} ({', '.join(external[address])})")
    print(f"{len(fates)} of {len(external)} links lead nowhere")
    return 1 if fates else 0


if __name__ == "__main__":
    raise SystemExit(main())
