"""The embedded mouth engine: warps each frame's own pixels."""

from visema.mouth.warp.engine import WarpEngine

__all__ = ["WarpEngine"]
