# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the report of ``portrait.check_motion()``: one HTML page with its plots inside, for an artist to read.

    python -I backend motion-report FOLDER PAGE.html     FOLDER holds motion.npz and words.json, written by the add-on
"""
from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path

import numpy as np

from .contract.errors import GazeSplatError

_COLOURS = {"ink": "#23262b", "mark": "#2a6fb0", "band": "#cfe3f3", "bad": "#b03a2a", "good": "#3c7d3c"}
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#23262b}
h1{font-size:1.4rem}td{padding:.25rem .6rem;vertical-align:top;border-top:1px solid #ddd}td:first-child{font-weight:700}
.good{color:#3c7d3c}.bad{color:#b03a2a}.none{color:#888}img{max-width:100%}"""
LARGEST_SAMPLES = 20_000_000


def main(argv: list[str]) -> int:
    """Write the page; returns 0."""
    if len(argv) != 2:
        raise GazeSplatError("bad-usage", "motion-report takes a folder and a page.", "See docs/motion.md.")
    folder, page = Path(argv[0]), Path(argv[1])
    with np.load(folder / "motion.npz", allow_pickle=False) as data:
        samples = {name: np.asarray(data[name], float) for name in ("times_s", "yaw_deg", "pitch_deg", "closed", "slip_deg")}
    if len(samples["times_s"]) > LARGEST_SAMPLES:
        raise GazeSplatError("too-long", "The range is too long for one report.", "Check a shorter range of frames.")
    words = json.loads((folder / "words.json").read_text("utf-8"))
    part = page.with_suffix(".part")
    part.write_text(_page(words, _plots(samples)), "utf-8")
    part.replace(page)
    return 0


def _page(words: dict, picture: bytes) -> str:
    marks = {True: ("good", "&#10003;"), False: ("bad", "&#10007;"), None: ("none", "&ndash;")}
    rows = "".join('<tr><td class="{}">{}'.format(*marks[holds])
                   + f"</td><td><b>{html.escape(title)}</b></td><td>{html.escape(sentence)}</td></tr>"
                   for holds, title, sentence in words["findings"])
    title = html.escape(words["title"])
    data = base64.b64encode(picture).decode("ascii")
    return (f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>'
            f'<body><h1>{title}</h1><table>{rows}</table><img alt="Plots" src="data:image/png;base64,{data}"></body></html>\n')


def _plots(samples: dict[str, np.ndarray]) -> bytes:
    """Return a PNG: main sequence, gaze over time, where the gaze rests, blink intervals, the lids of each blink, slip."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from ..gazesplat_addon.gaze import check
    times, yaw, pitch, closed = (samples[name] for name in ("times_s", "yaw_deg", "pitch_deg", "closed"))
    found, peaks = check.find_saccades(times, yaw, pitch)
    blinks = check.find_blinks(times, closed)
    figure = Figure(figsize=(11, 11), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, 2)
    _main_sequence(axes[0, 0], found, peaks)
    _trace(axes[0, 1], times, yaw, pitch)
    _where(axes[1, 0], yaw, pitch)
    _intervals(axes[1, 1], blinks)
    _lids(axes[2, 0], times, closed, blinks)
    _slip(axes[2, 1], samples["slip_deg"])
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
    return out.getvalue()


def _main_sequence(axis, found, peaks) -> None:
    from ..gazesplat_addon.gaze.check import in_band
    from ..gazesplat_addon.gaze.saccade import velocity_band_deg_s
    amplitude = np.geomspace(0.05, 40, 200)
    low, high = velocity_band_deg_s(amplitude)
    axis.fill_between(amplitude, low, high, color=_COLOURS["band"], label="published band")
    if len(found):
        inside = in_band(found, peaks)
        axis.scatter(found.amplitude_deg[inside], peaks[inside], s=8, color=_COLOURS["mark"], label="within")
        axis.scatter(found.amplitude_deg[~inside], peaks[~inside], s=14, color=_COLOURS["bad"], label="outside")
    axis.set(xscale="log", yscale="log", xlabel="amplitude, deg", ylabel="peak velocity, deg/s", title="Main sequence")
    axis.legend(loc="lower right")


def _trace(axis, times, yaw, pitch) -> None:
    some = slice(None, None, max(1, len(times) // 20_000))
    axis.plot(times[some], yaw[some], color=_COLOURS["mark"], lw=0.8, label="yaw (+ subject's left)")
    axis.plot(times[some], pitch[some], color=_COLOURS["bad"], lw=0.8, label="pitch (+ up)")
    axis.set(xlabel="s", ylabel="deg", title="Gaze off its target")
    axis.legend()


def _where(axis, yaw, pitch) -> None:
    reach = max(6.0, float(np.abs(np.concatenate([yaw, pitch])).max()) * 1.1)
    axis.hist2d(yaw, pitch, bins=60, range=[[-reach, reach]] * 2, cmap="Blues", norm="log")
    circle = np.linspace(0, 2 * np.pi, 100)
    axis.plot(2.75 * np.cos(circle), 2.75 * np.sin(circle), color=_COLOURS["bad"], lw=1, label="eye contact")
    axis.set(xlabel="yaw, deg", ylabel="pitch, deg", title="Where the gaze rests", aspect="equal")
    axis.legend()


def _intervals(axis, blinks) -> None:
    intervals = np.diff(blinks.start_s)
    if len(intervals):
        axis.hist(intervals, bins=min(30, max(5, len(intervals) // 2)), color=_COLOURS["mark"])
    axis.set(xlabel="s from blink to blink", ylabel="count", title=f"{len(blinks)} blinks")


def _lids(axis, times, closed, blinks) -> None:
    step = times[1] - times[0]
    for start, end in zip(blinks.start_s, blinks.start_s + blinks.down_s + blinks.closed_s + blinks.up_s, strict=True):
        span = slice(int((start - times[0]) / step), int((end - times[0]) / step) + 2)
        axis.plot(1e3 * (times[span] - start), closed[span], color=_COLOURS["mark"], lw=0.6, alpha=0.5)
    axis.set(xlabel="ms", ylabel="closed share", title="Every blink")


def _slip(axis, slip) -> None:
    axis.plot(slip, color=_COLOURS["mark"], lw=0.8)
    axis.axhline(0.3, color=_COLOURS["bad"], lw=1)
    axis.set(xlabel="sample", ylabel="deg", title="How far the gaze slips off its target",
             ylim=(0, max(0.4, float(slip.max(initial=0)) * 1.1)))
