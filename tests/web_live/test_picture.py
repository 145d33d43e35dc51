"""What the canvas shows: the loop with the mouth on it, and no box around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.live.conftest import Server, embedded_voice
from tests.web_live.conftest import Open
from visema.avatar import Avatar

pytestmark = pytest.mark.browser

#: Of the picture that is shown now: where the patch is, and by how much the canvas differs from the bare loop.
COMPARE = """() => {
  const { player } = avatar();
  const { canvas, loop } = player;
  const bare = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
  const paint = CanvasRenderingContext2D.prototype.drawImage;
  window.shots = [];
  CanvasRenderingContext2D.prototype.drawImage = function (...what) {
    paint.apply(this, what);
    if (this !== player.pen || what.length !== 9 || shots.length >= 12) return;
    const [, , , w, h, x, y] = what;
    const base = this.lastBase;
    bare.drawImage(base, 0, 0);
    const now = this.getImageData(0, 0, canvas.width, canvas.height).data;
    const was = bare.getImageData(0, 0, canvas.width, canvas.height).data;
    let inside = 0, outside = 0, edge = 0;
    for (let row = 0; row < canvas.height; row += 1) {
      for (let column = 0; column < canvas.width; column += 1) {
        const i = 4 * (row * canvas.width + column);
        const d = Math.max(...[0, 1, 2].map((c) => Math.abs(now[i + c] - was[i + c])));
        const within = column >= x && column < x + w && row >= y && row < y + h;
        if (!within) outside = Math.max(outside, d);
        else if (column === x || column === x + w - 1 || row === y || row === y + h - 1) edge = Math.max(edge, d);
        else inside = Math.max(inside, d);
      }
    }
    shots.push({ inside, outside, edge });
  };
  const first = player.pen.drawImage;
  player.pen.drawImage = function (...what) {
    if (what.length === 3) this.lastBase = what[0];
    return first.apply(this, what);
  };
}"""


def test_no_box_is_seen(serve: Callable[..., Server], presenter: Avatar, watch: Open) -> None:
    server = serve(embedded_voice, avatar=presenter)
    visit = watch(f"{server.address}/live/{presenter.id}")
    visit.page.evaluate(COMPARE)
    visit.say("Papa and mama are far away.")
    visit.page.wait_for_function("window.shots.length >= 12")
    shots: list[dict[str, Any]] = visit.page.evaluate("shots")
    assert max(s["outside"] for s in shots) == 0, "what has no patch on it is the loop"
    assert max(s["edge"] for s in shots) <= 2, "the patch ends as the loop goes on"
    assert np.median([s["inside"] for s in shots]) > 40, "and within it the mouth moves"
