"""`LivePortraitEngine`: the embedded mouth on an idle loop that LivePortrait draws of a photo."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from visema.mouth.warp import WarpEngine
from visema.types import FloatArray, Image

if TYPE_CHECKING:
    from visema.portrait.liveportrait import LivePortraitLoop


class LivePortraitEngine(WarpEngine):
    """See `MouthEngine`. Needs its weights at setup only; a video has its own motion and is left as it is."""

    name = "liveportrait"

    @staticmethod
    def ready(size: int) -> None:
        """See `NeedsWeights.ready`."""
        from visema.portrait.liveportrait import Studio

        Studio.open()

    @staticmethod
    def make_loop(
        photo: Image,
        landmarks: FloatArray,
        *,
        fps: float,
        max_side: int,
        progress: Callable[[int, int], None],
    ) -> LivePortraitLoop:
        """See `visema.mouth.engine.MakesLoops`."""
        from visema.portrait.liveportrait import make_loop

        return make_loop(photo, landmarks, fps=fps, max_side=max_side, progress=progress)
