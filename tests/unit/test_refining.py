# SPDX-License-Identifier: GPL-3.0-or-later
"""A viewport's pictures: coarse before fine, the last question wins, nothing is drawn twice, and the asker never waits."""
from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon.engine.refining import Refiner, Step, at_scale

LIMIT_S = 20.0


class SlowDrawer:
    """Draws one step whenever the test says so, and notes which."""

    def __init__(self, *, seconds: float = 1.0) -> None:
        self.began, self.may_end, self.told = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)
        self.drawn: list[str] = []
        self.seconds, self.refused = seconds, False
        self.refiner = Refiner(self.draw, self.told.release)

    def draw(self, step, should_stop):
        self.drawn.append(step.request["name"])
        self.began.release()
        assert self.may_end.acquire(timeout=LIMIT_S)
        if self.refused:
            raise GazeSplatError("worker-died", "It died.", "Try again.")
        return None if should_stop() else SimpleNamespace(seconds=self.seconds, name=step.request["name"])

    def ask(self, name):
        return self.refiner.ask(name, [Step({"name": f"{name} coarse"}, fine=False), Step({"name": f"{name} fine"})])

    def finish_one(self):
        assert self.began.acquire(timeout=LIMIT_S)
        self.may_end.release()
        assert self.told.acquire(timeout=LIMIT_S)


def test_coarse_comes_before_fine_and_nothing_twice():
    drawer = SlowDrawer()
    assert drawer.ask("front") and not drawer.ask("front")
    drawer.finish_one()
    assert drawer.refiner.shown.picture.name == "front coarse" and not drawer.refiner.shown.fine
    drawer.finish_one()
    assert drawer.refiner.shown.fine and not drawer.ask("front")
    assert drawer.drawn == ["front coarse", "front fine"]


def test_last_question_wins():
    drawer = SlowDrawer()
    drawer.ask("one")
    assert drawer.began.acquire(timeout=LIMIT_S)
    for name in ("two", "three", "four"):
        drawer.ask(name)
    drawer.began.release()
    for _ in range(3):
        drawer.finish_one()
    assert drawer.drawn == ["one coarse", "four coarse", "four fine"] and drawer.refiner.shown.question == "four"


def test_quick_pictures_need_no_coarse_ones():
    drawer = SlowDrawer(seconds=0.01)
    drawer.ask("one")
    drawer.finish_one()
    drawer.finish_one()
    drawer.ask("two")
    drawer.finish_one()
    assert drawer.drawn[2:] == ["two fine"]


def test_refusal_is_kept_until_a_picture_comes_and_finer_steps_are_spared():
    drawer = SlowDrawer()
    drawer.refused = True
    drawer.ask("one")
    drawer.finish_one()
    assert drawer.refiner.refusal.code == "worker-died" and drawer.drawn == ["one coarse"]
    drawer.refused = False
    drawer.ask("two")
    drawer.finish_one()
    drawer.finish_one()
    assert drawer.refiner.refusal is None and drawer.refiner.shown.question == "two"


def test_closed_refiner_draws_and_tells_nothing_more():
    drawer = SlowDrawer()
    drawer.ask("one")
    assert drawer.began.acquire(timeout=LIMIT_S)
    drawer.refiner.close()
    drawer.may_end.release()
    assert not drawer.ask("two")
    assert not drawer.told.acquire(timeout=0.2) and drawer.refiner.shown is None and drawer.drawn == ["one coarse"]


@pytest.mark.parametrize("width, height", [(640, 480), (633, 7), (1, 1)])
def test_coarse_picture_covers_the_same_view(width, height):
    camera = {"w": width, "h": height, "fx": 500.0, "fy": 520.0, "cx": 300.0, "cy": 200.0, "sensor": [-10.0, 0.0, 700.0, 480.0]}
    coarse = at_scale(Step({"moments": [{"camera": camera}], "depth": False}), 0.25, fine=False).request["moments"][0]["camera"]
    for focal, centre, side, edge in (("fx", "cx", "w", 0), ("fy", "cy", "h", 1)):
        assert coarse[side] >= 1
        # The slopes of the rays through both edges of the picture, and of the frame's edge, are the same.
        for share in (0.0, 1.0):
            slopes = [(share * one[side] - one[centre]) / one[focal] for one in (camera, coarse)]
            assert slopes[0] == pytest.approx(slopes[1])
        assert coarse["sensor"][edge] / coarse[side] == pytest.approx(camera["sensor"][edge] / camera[side])
