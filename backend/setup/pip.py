# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the environment's own pip install one set of packages, and turns its words into progress and into reasons.

pip's configuration, proxies and certificates hold. Only wheels are taken: nothing is built, no package's code runs.
"""
from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..context import JobContext
from ..contract import machine
from ..contract.environment import PackageSet, python_of_venv
from ..contract.errors import GazeSplatError
from .child import Child, running
from .venv import site_packages

_log = logging.getLogger(__name__)

_FETCHED = re.compile(r"\s*(?:Downloading|Using cached) (\S+)\.whl \(([\d.]+) (bytes|kB|MB|GB)\)")
_LOCAL = re.compile(r"\s*Processing (.+\.whl)")
_NAMES = re.compile(r"Installing collected packages: (.+)")
_MEGABYTES = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}
# Of a set's time: the download, then the writing of some 10,000 files.
_DOWNLOAD_SHARE = 0.75
_KEPT_LINES = 200

# What pip says when it fails, in the order of asking: (words in its output, code, sentence, way out).
_REASONS = (
    (("No space left on device", "not enough space on the disk"), "disk-full", "The disk is full.", "Free some space, then try again."),
    (("Permission denied", "Access is denied"), "no-permission", "GazeSplat may not write to the backend's folder.",
     "Close other Blenders that use the backend, check the folder's permissions, then try again."),
    (("CERTIFICATE_VERIFY_FAILED", "SSLError"), "no-network", "The package index cannot be trusted: its certificate was refused.",
     "Behind a company's proxy, tell pip its certificate (PIP_CERT or pip.conf). Or use a folder of wheels."),
    (("ProxyError", "NewConnectionError", "Temporary failure in name resolution", "getaddrinfo failed", "ConnectTimeoutError",
      "ReadTimeoutError", "Connection refused", "ConnectionResetError"), "no-network", "The package index cannot be reached.",
     "Check the network, and the proxy (HTTPS_PROXY or pip.conf), then try again: what was downloaded is kept. Or use a folder of wheels."),
)


@dataclass
class Progress:
    """What pip has said so far, as a share of the set."""

    expected_mb: float
    site_packages: Path | None = None
    fetched_mb: float = 0.0
    names: list[str] = field(default_factory=list)
    text: str = ""
    most: float = 0.0    # a set may take several runs of pip, and none of them takes progress back

    def take(self, line: str) -> None:
        """Take in one line."""
        if fetched := _FETCHED.match(line):
            self.fetched_mb += float(fetched[2]) * _MEGABYTES[fetched[3]]
            self.text = f"{fetched[1].split('-')[0]} ({self.fetched_mb:.0f} MB)"
        elif local := _LOCAL.match(line):
            wheel = Path(local[1].strip())
            self.fetched_mb += wheel.stat().st_size / 1e6 if wheel.is_file() else 0.0
            self.text = wheel.name.split("-")[0]
        elif names := _NAMES.match(line):
            self.names = [re.sub(r"[-_.]+", "_", name.strip()).lower() for name in names[1].split(",")]
            self.text = f"Writing {len(self.names)} packages"

    def fraction(self) -> float:
        """Return 0..1: downloads by their size, then packages as they appear on the disk."""
        self.most = max(self.most, self._now())
        return self.most

    def _now(self) -> float:
        if not self.names or self.site_packages is None:
            return _DOWNLOAD_SHARE * min(1.0, self.fetched_mb / self.expected_mb)
        there = {re.sub(r"[-_.]+", "_", info.name.rsplit("-", 2)[0]).lower() for info in self.site_packages.glob("*.dist-info")}
        return _DOWNLOAD_SHARE + (1.0 - _DOWNLOAD_SHARE) * sum(name in there for name in self.names) / len(self.names)


def install(folder: Path, one: PackageSet, kind: str, wheels: Path | None, context: JobContext) -> None:
    """Install one set; GazeSplatError says in an artist's words why pip could not."""
    progress = Progress(one.download_mb[kind], site_packages(folder))
    index = "" if wheels is not None or _has_own_index(folder, context) else machine.torch_index(kind)
    for arguments in one.arguments():
        progress.names = []
        with running(_command(folder, arguments, index, wheels)) as child:
            told = _follow(child, progress, context)
        if child.code:
            raise _reason("\n".join(told), wheels)
    context.progress(1.0)


def _has_own_index(folder: Path, context: JobContext) -> bool:
    """Return whether somebody has told pip where packages are: then torch comes from there too, and nobody else is asked."""
    found = False
    with running([str(python_of_venv(folder)), "-I", "-m", "pip", "config", "list"]) as child:
        for line in child:
            context.progress(0.0)
            found |= "index-url" in line
    return found


def _command(folder: Path, arguments: list[str], index: str, wheels: Path | None) -> list[str]:
    command = [str(python_of_venv(folder)), "-I", "-m", "pip", "install", "--only-binary", ":all:", "--no-input", "--no-color",
               "--disable-pip-version-check", "--progress-bar", "off", *arguments]
    if wheels is not None:
        return [*command, "--no-index", "--find-links", str(wheels)]
    wants_torch = any("torch.txt" in part for part in arguments)
    return [*command, "--extra-index-url", index] if index and wants_torch else command


def _follow(child: Child, progress: Progress, context: JobContext) -> list[str]:
    """Report until pip ends, log what it says and return the last lines."""
    told: list[str] = []
    for line in child:
        if line:
            _log.info("%s", line)
            told = [*told[1 - _KEPT_LINES:], line]
            progress.take(line)
        context.progress(min(0.99, progress.fraction()), progress.text)
    return told


def _reason(told: str, wheels: Path | None) -> GazeSplatError:
    for words, code, sentence, hint in _REASONS:
        if any(word in told for word in words):
            return GazeSplatError(code, sentence, hint)
    lacking = re.search(r"No matching distribution found for ([\w.-]+==[\w.+]+|[\w.-]+)", told)
    if lacking and wheels is not None:
        return GazeSplatError("wheel-missing", f"The folder of wheels has no {lacking[1]} that suits this Python.",
                              f"Put it into {wheels}: pip download with the same Python version makes such folders.")
    if lacking:
        return GazeSplatError("no-package", f"The package index has no {lacking[1]} for this computer.",
                              "Check pip's configuration (index and proxy), or use a folder of wheels.")
    last = next((line for line in reversed(told.splitlines()) if line.startswith("ERROR")), "See the log.")
    return GazeSplatError("pip-failed", f"Installing failed. {last}", "The log has everything that pip said; then try again.")
