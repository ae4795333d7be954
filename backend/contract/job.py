# SPDX-License-Identifier: GPL-3.0-or-later
"""``job.json``: what the artist asked for, read and checked the same way on both sides."""
from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from . import paths, plain_json
from .errors import GazeSplatError
from .versions import PROTOCOL, refuse_newer

DEVICES = ("auto", "cpu", "cuda")
QUALITIES = ("draft", "standard", "high")

_KIND = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class JobSpec:
    """One reconstruction, as plain data that JSON can hold.

    id        the job folder's name
    kind      which stages run: "selfie", "refit", "eyes", ..., or "dummy" for tests of the process boundary
    input     the copied input, relative to the job folder, with '/'; "" when the kind takes none
    quality   one of QUALITIES
    device    one of DEVICES
    seed      the only source of randomness
    options   what else the kind understands, JSON values by name
    versions  who wrote the job: {"gazesplat": "0.1.0", "blender": "4.5.15", ...}
    protocol  the job folder's version
    """

    id: str
    kind: str
    input: str = ""
    quality: str = "standard"
    device: str = "auto"
    seed: int = 0
    options: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)
    protocol: int = PROTOCOL

    def __post_init__(self) -> None:
        for name, expected in (("id", str), ("kind", str), ("input", str), ("quality", str), ("device", str),
                               ("seed", int), ("options", dict), ("versions", dict)):
            if not isinstance(getattr(self, name), expected) or isinstance(getattr(self, name), bool):
                raise _bad(f"its '{name}' is not a {expected.__name__}")
        if not _KIND.fullmatch(self.kind):
            raise _bad(f"its kind '{self.kind}' is not a name")
        if self.quality not in QUALITIES:
            raise _bad(f"its quality '{self.quality}' is none of {', '.join(QUALITIES)}")
        if self.device not in DEVICES:
            raise _bad(f"its device '{self.device}' is none of {', '.join(DEVICES)}")
        if self.seed < 0:
            raise _bad("its seed is negative")
        if self.input and not paths.is_inside(self.input):
            raise _bad(f"its input {self.input!r} does not lie inside the job folder")


def write_job(folder: Path, spec: JobSpec) -> None:
    """Write ``job.json`` into an existing job folder."""
    paths.write_json_atomically(folder / paths.JOB, asdict(spec))


def read_job(folder: Path) -> JobSpec:
    """Read and check ``job.json``.

    Raises GazeSplatError: ``no-job`` (no such file), ``bad-job`` (not what this protocol says),
    ``protocol-newer``. Fields this version does not know are an error too: they would be ignored.
    """
    try:
        content = plain_json.read(folder / paths.JOB)
    except FileNotFoundError as error:
        raise GazeSplatError("no-job", f"There is no {paths.JOB} in {folder}.",
                             "Give the folder of a job that GazeSplat has made.") from error
    except OSError as error:
        raise _bad(f"{paths.JOB} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _bad(f"it is not JSON text ({error})") from error
    if not isinstance(content, dict):
        raise _bad("it is not an object")
    refuse_newer(content.get("protocol"), "The job")
    unknown = sorted(content.keys() - {f.name for f in fields(JobSpec)})
    missing = sorted({"id", "kind"} - content.keys())
    if unknown or missing:
        raise _bad(f"it has unknown fields {unknown}" if unknown else f"it lacks {missing}")
    return JobSpec(**content)


def _bad(reason: str) -> GazeSplatError:
    return GazeSplatError("bad-job", f"The job description cannot be used: {reason}.", "Start the reconstruction again.")
