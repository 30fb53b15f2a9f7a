"""Makes PNG files smaller: the page has few colours. Runs with the interpreter of an environment that has Pillow."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

# Not in the environment of the type checker.
Image: Any = import_module("PIL.Image")

COLOURS = 256


def shrink(file: Path) -> None:
    """Write a picture again with a palette, where that is smaller."""
    whole = file.read_bytes()
    with Image.open(file) as picture:
        small = picture.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(file, optimize=True)
    if file.stat().st_size >= len(whole):
        file.write_bytes(whole)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        shrink(Path(name))
