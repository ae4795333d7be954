# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiler options shared by every kernel, and the atomic counter that hands out tiles."""
from __future__ import annotations

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .kernel_cache import choose_cache_folder

choose_cache_folder()

TILE = 16  # pixels a side: one row is one AVX-512 register or two AVX2 ones

# Every licence of fast-math except "there are no NaNs or infinities": we cull those by comparing.
_FASTMATH = {"reassoc", "nsz", "arcp", "contract", "afn"}
kernel = numba.njit(cache=True, nogil=True, fastmath=_FASTMATH, error_model="numpy")
inline = numba.njit(inline="always", nogil=True, fastmath=_FASTMATH, error_model="numpy")


@intrinsic
def take_next(typingctx, counter):
    """Add 1 to ``counter[0]`` (int64 array) atomically and return the value before."""
    if not (isinstance(counter, types.Array) and counter.dtype == types.int64):
        raise TypeError("take_next needs an int64 array")

    def codegen(context, builder, signature, arguments):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0])
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", array.data, one, "monotonic")

    return types.int64(counter), codegen
