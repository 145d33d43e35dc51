"""Expressions by degrees: what moves, what does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.portrait.conftest import Photo
from visema.errors import InputError
from visema.portrait.expression import Expression, parse_expression, wear
from visema.types import FloatArray, Image

CORNERS, BROWS, NOSE = (61, 291), (55, 285), 4


def moved(photo: Photo, expression: Expression) -> FloatArray:
    """How far down each landmark went, in U."""
    shift: FloatArray = (wear(photo.image, photo.landmarks, expression)[1] - photo.landmarks)[:, 1] / photo.unit
    return shift


def test_neutral_and_nothing_change_nothing(presenter: Photo) -> None:
    for expression in (Expression(), Expression("smile", 0.0)):
        picture, landmarks = wear(presenter.image, presenter.landmarks, expression)
        assert picture is presenter.image and landmarks is presenter.landmarks


def test_a_smile_lifts_the_corners_by_degrees(presenter: Photo) -> None:
    half, full = (moved(presenter, Expression("smile", degree))[list(CORNERS)].mean() for degree in (0.5, 1.0))
    assert -0.12 < full < -0.05 and full < 0.9 * half < 0
    assert abs(moved(presenter, Expression("smile"))[NOSE]) < 0.03


def test_a_serious_look_lowers_brows_and_corners(presenter: Photo) -> None:
    down = moved(presenter, Expression("serious"))
    assert 0.02 < down[list(BROWS)].mean() < 0.09 and 0.01 < down[list(CORNERS)].mean() < 0.06


@pytest.mark.parametrize("name", ["smile", "serious"])
def test_the_picture_moves_with_the_mesh_and_nothing_else(
    presenter: Photo, find: Callable[[Image], list[FloatArray]], name: str
) -> None:
    picture, landmarks = wear(presenter.image, presenter.landmarks, Expression(name))
    seen = find(picture)[0]
    which = list(CORNERS) if name == "smile" else list(BROWS)
    wanted = (landmarks - presenter.landmarks)[which, 1].mean()
    assert (seen - presenter.landmarks)[which, 1].mean() == pytest.approx(wanted, rel=0.6)
    low, high = presenter.landmarks[:, :2].min(0), presenter.landmarks[:, :2].max(0)
    far = np.ones(picture.shape[:2], bool)
    pad = 0.5 * presenter.unit
    far[max(0, int(low[1] - pad)) : int(high[1] + pad), max(0, int(low[0] - pad)) : int(high[0] + pad)] = False
    assert np.array_equal(picture[far], presenter.image[far])


@pytest.mark.parametrize(
    ("text", "name", "degree"),
    [("smile", "smile", 1), ("Smile:0.4", "smile", 0.4), ("serious:30%", "serious", 0.3), (" neutral ", "neutral", 1)],
)
def test_expressions_are_read(text: str, name: str, degree: float) -> None:
    found = parse_expression(text)
    assert found.name == name and found.degree == pytest.approx(degree)


@pytest.mark.parametrize("text", ["", "grin", "smile:2", "smile:-1", "smile:x", "smile:0.5:1"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_expression(text)
