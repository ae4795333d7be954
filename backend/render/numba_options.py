# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiler options shared by every kernel, and the two things numba lacks: an atomic counter and stack arrays."""
from __future__ import annotations

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .kernel_cache import choose_cache_folder

choose_cache_folder()

TILE_BITS = 4
TILE = 1 << TILE_BITS  # pixels a side: one row is one AVX-512 register or two AVX2 ones
STRIP = 4              # rows blended at once: their four sums fill half of the 32 AVX-512 registers
STRIP_PIXELS = STRIP * TILE

# Every licence of fast-math except "there are no NaNs or infinities": we cull those by comparing.
_FASTMATH = {"reassoc", "nsz", "arcp", "contract", "afn"}
kernel = numba.njit(cache=True, nogil=True, fastmath=_FASTMATH, error_model="numpy")
inline = numba.njit(forceinline=True, nogil=True, fastmath=_FASTMATH, error_model="numpy")
# Bit for bit the same result in every kernel that calls it: no fast-math at all.
exact_inline = numba.njit(forceinline=True, nogil=True, error_model="numpy")


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


@intrinsic(prefer_literal=True)
def stack_floats(typingctx, count):
    """Return a pointer to ``count`` (a constant) uninitialised float32 on the kernel's stack, for ``carray``.

    Unlike ``np.empty`` LLVM can see that nothing else points there, and keeps it in vector registers.
    Call it in the kernel itself: the memory ends with the function that asked for it.
    """
    if not isinstance(count, types.IntegerLiteral):
        raise TypeError("stack_floats needs a constant count")
    size = count.literal_value

    def codegen(context, builder, signature, arguments):
        with builder.goto_entry_block():
            block = builder.alloca(ir.ArrayType(ir.FloatType(), size))
            block.align = 64
        zero = ir.Constant(ir.IntType(32), 0)
        return builder.gep(block, [zero, zero])

    return types.CPointer(types.float32)(count), codegen
