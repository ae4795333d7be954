# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the render worker: what is written is read, and nothing else is taken for a message."""
from __future__ import annotations

import io

import numpy as np
import pytest

from gazesplat.backend.contract.worker import BrokenMessage, read_message, write_message

ARRAYS = {"means": np.arange(6, dtype=np.float32).reshape(2, 3), "groups": np.array([0, 11], np.uint8), "far": np.array([1e300])}


def written(header=None, arrays=ARRAYS) -> bytes:
    stream = io.BytesIO()
    assert write_message(stream, header or {"type": "hold", "name": "Mara Ünïcode"}, arrays) == len(stream.getvalue())
    return stream.getvalue()


def test_messages_come_back_in_order_and_then_nothing():
    stream = io.BytesIO(written() + written({"type": "draw"}, {}))
    header, arrays = read_message(stream)
    assert header == {"type": "hold", "name": "Mara Ünïcode"}
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        back = np.asarray(arrays[name])
        assert back.dtype == array.dtype and back.flags.writeable
        np.testing.assert_array_equal(back, array)
    assert read_message(stream) == ({"type": "draw"}, {})
    assert read_message(stream) is None


@pytest.mark.parametrize("length", [1, 7, 9, 60, -1])
def test_cut_message_is_refused(length):
    with pytest.raises(BrokenMessage):
        read_message(io.BytesIO(written()[:length]))


def forged(text: str) -> bytes:
    return b"GSW1" + len(text).to_bytes(4, "little") + text.encode() + bytes(64)


@pytest.mark.parametrize("data", [
    b"a library that prints", b"GSW1" + (1 << 30).to_bytes(4, "little"), forged("[]"), forged("{}"), forged("no json"),
    forged('{"arrays":[["a","O",[1]]]}'), forged('{"arrays":[["a","f",[-1]]]}'), forged('{"arrays":[["a","f",[0]]]}'),
    forged('{"arrays":[["a","f",[100000,100000]]]}'), forged('{"arrays":[["a","f",[]]]}'), forged('{"arrays":[["a","f"]]}'),
    forged('{"arrays":3}'),
], ids=lambda data: repr(data[:40]))
def test_what_is_no_message_is_refused(data):
    with pytest.raises(BrokenMessage):
        read_message(io.BytesIO(data))


@pytest.mark.parametrize("array", [np.zeros((0, 3), np.float32), np.zeros(3, object), np.zeros((4, 4), np.float32)[:, ::2]],
                         ids=["empty", "objects", "strided"])
def test_what_cannot_travel_is_refused(array):
    with pytest.raises(ValueError):
        write_message(io.BytesIO(), {"type": "hold"}, {"array": array})
