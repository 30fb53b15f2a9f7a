"""The model that the real servers run: what its files rest on, without a server."""

import json
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from tests.backends.real.tiny import lines
from tests.backends.real.tiny.gguf import write_gguf
from tests.backends.real.tiny.hub import REVISION, write_to_hub_cache
from tests.backends.real.tiny.network import TURN_CLOSES, Network, written
from tests.backends.real.tiny.templates import chat_template


@pytest.mark.parametrize("thinking", [False, True])
def test_each_piece_of_a_line_is_followed_by_the_next_before_all_others(thinking: bool) -> None:
    net = Network(thinking=thinking)
    tensors = dict(net.tensors())
    following = tensors["lm_head.weight"]
    for line in (lines.PLAIN, lines.COUNT, lines.SCRIPTS, lines.REPORT, lines.CALL, lines.OTHER_CALL):
        for before, after in pairwise(net.vocabulary.line(line)):
            likely = [
                following.entries.get((token, before), 0) + following.entries.get((token, net.bias), 0)
                for token in range(following.rows)
            ]
            assert likely.index(max(likely)) == after


def test_every_cue_has_a_token_and_a_line_to_begin() -> None:
    numbers = Network(thinking=False).vocabulary.numbers
    assert TURN_CLOSES in numbers
    for cue in lines.CUES:
        assert cue.text in numbers
        assert cue.begins is None or written(cue.begins) in numbers


def test_both_files_have_the_same_tensors(tmp_path: Path) -> None:
    net, template = Network(thinking=True), chat_template(thinking=True)
    write_gguf(tmp_path / "tiny.gguf", net, name="tiny", template=template)
    write_to_hub_cache(tmp_path, net, name="tests/tiny", template=template)
    magic, version, tensors, _ = struct.unpack_from("<4sIQQ", (tmp_path / "tiny.gguf").read_bytes())
    assert (magic, version) == (b"GGUF", 3)
    whole = (tmp_path / "models--tests--tiny" / "snapshots" / REVISION / "model.safetensors").read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    assert len(header) - 1 == tensors == len(list(net.tensors()))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    assert max(ends) == len(whole) - 8 - size
