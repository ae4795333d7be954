# SPDX-License-Identifier: GPL-3.0-or-later
"""A splat's second set of colours and opacities, for programs that decode every splat and blend in linear light.

The colours are display-referred like the first: decoded one by one and blended linearly, they give the picture that the
first give blended in display values. ``portrait.linear.npz`` beside ``portrait.ply`` holds them in the PLY's order.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...backend.contract.errors import GazeSplatError
from .arrays import Splats
from .npz import ArrayTooLarge, read_arrays

SUFFIX = ".linear.npz"
VERSION = 1
# Which splats it was made for is told by this many of them: digests of floats differ from processor to processor.
_PROBES = 256
_PROBE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class LinearRefit:
    """colours (N, 3) float32, 0.5 + SH_C0 f_dc as in ``Splats``; opacities (N,) float32 0..1."""

    colours: np.ndarray
    opacities: np.ndarray

    def applied(self, splats: Splats) -> Splats:
        """Return the splats with these colours and opacities; harmonics of higher degree stay."""
        return replace(splats, colours=self.colours, opacities=self.opacities)


def path_beside(ply: Path) -> Path:
    """Return where the refit of a splat file lies."""
    return ply.with_suffix(SUFFIX)


def save_refit(path: Path, refit: LinearRefit, splats: Splats) -> None:
    """Write the refit of ``splats`` as they are read from their PLY; half precision, a tenth of an 8-bit step."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as handle:
        np.savez_compressed(handle, version=np.int32(VERSION), probes=_probes(splats), colours=refit.colours.astype(np.float16),
                            opacities=refit.opacities.astype(np.float16))
    part.replace(path)


def load_refit(path: Path, splats: Splats) -> LinearRefit | None:
    """Return the refit of ``splats``, None where there is none or it was made for other splats.

    Raises GazeSplatError ``refit-invalid`` for a file that cannot be read, ``refit-newer`` for one of a later version.
    """
    if not path.is_file():
        return None
    count = len(splats)
    sizes = {"version": 4, "probes": 4 * 7 * _PROBES * 2, "colours": 6 * count, "opacities": 2 * count}
    try:
        found = read_arrays(path, sizes)
        if found["version"].shape != () or found["version"].dtype.kind not in "iu":
            raise ValueError("it does not say of which version it is")
    except ArrayTooLarge:
        return None
    except (ValueError, OSError) as error:
        raise GazeSplatError("refit-invalid", f"The scene-linear colours {path.name} cannot be read ({error}).",
                             "Delete that file, then refit the portrait again.") from error
    if int(found["version"]) > VERSION:
        raise GazeSplatError("refit-newer", f"The scene-linear colours {path.name} were written by a newer GazeSplat.",
                             "Update the extension, or delete that file.")
    colours, opacities, probes = found["colours"], found["opacities"], _probes(splats)
    if colours.shape != (count, 3) or opacities.shape != (count,) or found["probes"].shape != probes.shape:
        return None
    if not np.allclose(found["probes"], probes, rtol=_PROBE_TOLERANCE, atol=_PROBE_TOLERANCE):
        return None
    finite = np.isfinite(colours).all() and np.isfinite(opacities).all()
    return LinearRefit(colours.astype(np.float32), np.clip(opacities.astype(np.float32), 0.0, 1.0)) if finite else None


def _probes(splats: Splats) -> np.ndarray:
    """Return places, colours and opacities (M, 7) of splats spread over the file."""
    chosen = np.unique(np.linspace(0, max(len(splats) - 1, 0), _PROBES).astype(int)) if len(splats) else np.zeros(0, int)
    return np.concatenate([splats.means[chosen], splats.colours[chosen], splats.opacities[chosen, None]], axis=1).astype(np.float32)
