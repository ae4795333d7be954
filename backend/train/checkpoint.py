# SPDX-License-Identifier: GPL-3.0-or-later
"""A training run on disk, so that a killed job goes on where it was. Plain arrays: nothing executable is read."""
from __future__ import annotations

import hashlib
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from .density import Density
from .exposure import Exposure
from .gaussians import NAMES, as_parameters, optimisers
from .settings import TrainSettings
from .views import View

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")    # what Adam remembers


def fingerprint(views: list[View], settings: TrainSettings) -> str:
    """Return what a checkpoint must agree with: the pictures, their cameras and the settings."""
    digest = hashlib.sha256(repr(sorted(asdict(settings).items())).encode())
    for view in views:
        digest.update(view.image.tobytes() + view.mask.tobytes() + view.camera.w2c.tobytes())
    return digest.hexdigest()


def save(path: Path, key: str, step: int, parameters: dict, adams: dict, density: Density, exposure: Exposure,
         shown: tuple[float, float]) -> None:
    """Write everything that the next step depends on, by rename; ``shown`` is loss and PSNR as smoothed so far."""
    data = {"key": key, "step": step, "shown": np.array(shown, float), "torch_random": torch.get_rng_state().numpy(),
            "log_gain": exposure.log_gain.detach().cpu().numpy()}
    for name in NAMES:
        data[f"p_{name}"] = parameters[name].detach().cpu().numpy()
    for name, adam in {**adams, "log_gain": exposure.optimiser}.items():
        for moment, value in next(iter(adam.state.values()), {}).items():
            data[f"{moment}_{name}"] = value.cpu().numpy()
    data |= {f"d_{name}": value.cpu().numpy() for name, value in density.state.items() if isinstance(value, torch.Tensor)}
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, **data)
    part.replace(path)


def load(path: Path, key: str, settings: TrainSettings, density: Density,
         exposure: Exposure) -> tuple[int, dict, dict, tuple[float, float]] | None:
    """Return the step to go on from, parameters, optimisers and what was shown; None when there is nothing that fits ``key``.

    ``density`` and ``exposure`` are filled in.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            data = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    if str(data.get("key")) != key or "shown" not in data:
        return None
    parameters = as_parameters({name: data[f"p_{name}"] for name in NAMES}, settings.device)
    adams = optimisers(parameters, settings)
    with torch.no_grad():
        exposure.log_gain.copy_(torch.as_tensor(data["log_gain"]))
    for name, adam in {**adams, "log_gain": exposure.optimiser}.items():
        one = adam.param_groups[0]["params"][0]
        found = {moment: torch.as_tensor(data[f"{moment}_{name}"]) for moment in _MOMENTS if f"{moment}_{name}" in data}
        adam.state[one] = {moment: value if moment == "step" and name == "log_gain" else value.to(settings.device)
                           for moment, value in found.items()}
    density.state |= {name: torch.as_tensor(data[f"d_{name}"]).to(settings.device) for name in ("grad2d", "count") if f"d_{name}" in data}
    torch.set_rng_state(torch.as_tensor(data["torch_random"]))
    loss, psnr_db = map(float, data["shown"])
    return int(data["step"]), parameters, adams, (loss, psnr_db)
