# SPDX-License-Identifier: GPL-3.0-or-later
"""The only door to the graphics card: what goes through it is counted, so that tests can say what a frame costs."""
from __future__ import annotations

from dataclasses import dataclass

import gpu
import numpy as np

COLUMNS = 1024    # splats a row of a texture; with 15 harmonics of one texel each still within the 16384 that cards allow


@dataclass
class Traffic:
    """What has been sent and asked for so far."""

    texture_bytes: int = 0
    uniform_bytes: int = 0
    draw_calls: int = 0

    def since(self, before: Traffic) -> Traffic:
        """Return what came after an earlier copy."""
        return Traffic(self.texture_bytes - before.texture_bytes, self.uniform_bytes - before.uniform_bytes,
                       self.draw_calls - before.draw_calls)

    def copy(self) -> Traffic:
        """Return the count of this moment."""
        return Traffic(self.texture_bytes, self.uniform_bytes, self.draw_calls)


traffic = Traffic()


def rows_of(count: int) -> int:
    """Return how many rows of ``COLUMNS`` hold so many splats; at least one."""
    return max(1, -(-count // COLUMNS))


def splat_texture(values: np.ndarray, kind: str) -> gpu.types.GPUTexture:
    """Return a texture with values (N, C) or, K texels a splat, (N, K, C), of ``kind`` such as "RGBA32F"; C floats a texel."""
    values = np.asarray(values, np.float32)
    texels = values.shape[1] if values.ndim == 3 else 1
    rows = rows_of(len(values))
    padded = np.zeros((rows * COLUMNS, *values.shape[1:]), np.float32)
    padded[:len(values)] = values
    traffic.texture_bytes += padded.nbytes
    flat = padded.ravel()
    return gpu.types.GPUTexture((COLUMNS * texels, rows), format=kind, data=gpu.types.Buffer("FLOAT", len(flat), flat))


def cube_texture(values: np.ndarray, kind: str) -> gpu.types.GPUTexture:
    """Return a texture with a cube of colours (N, N, N, 3): a row for each value of the first axis, (second, third) along it."""
    side = len(values)
    flat = np.pad(values, ((0, 0), (0, 0), (0, 0), (0, 1))).astype(np.float32).ravel()
    traffic.texture_bytes += flat.nbytes
    return gpu.types.GPUTexture((side * side, side), format=kind, data=gpu.types.Buffer("FLOAT", len(flat), flat))


class UniformBlock:
    """A uniform buffer that is rewritten in place."""

    def __init__(self) -> None:
        self._buffer: gpu.types.GPUUniformBuf | None = None

    def write(self, values: np.ndarray) -> gpu.types.GPUUniformBuf:
        """Send the values (N,) float32 and return the buffer."""
        data = gpu.types.Buffer("FLOAT", len(values), np.ascontiguousarray(values, np.float32))
        traffic.uniform_bytes += 4 * len(values)
        if self._buffer is None:
            self._buffer = gpu.types.GPUUniformBuf(data)
        else:
            self._buffer.update(data)
        return self._buffer


def draw(batch: gpu.types.GPUBatch, shader: gpu.types.GPUShader, instances: int = 0) -> None:
    """Draw a batch, once or so many times."""
    traffic.draw_calls += 1
    if instances:
        batch.draw_instanced(shader, instance_count=instances)
    else:
        batch.draw(shader)
