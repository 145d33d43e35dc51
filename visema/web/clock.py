"""The browser's audio clock, as the performer's pictures follow it."""

from __future__ import annotations

from visema.stage.clock import ReportedClock

#: Way of a picture to the screen until it has been measured: queue, fetch and decoding took 30-40 ms at 512 x 512.
FIRST_LEAD_S = 0.06
#: More than this is a stall, which drawing ahead cannot mend.
MAX_LEAD_S = 0.5
#: Share of the measured skew that is taken in with each report.
GAIN = 0.5


class BrowserClock(ReportedClock):
    """Audio time at the viewer's ear, ahead by the way of a picture to the viewer's eye.

    Each report tells by how much the last pictures came late; the lead follows, so that what is drawn for a moment
    is seen at that moment.

    Args:
        lead: Seconds of a picture's way, as known so far.
    """

    #: Reports come 0.4 s apart; a hidden tab's timers once a second.
    PATIENCE_S = 3.0

    def __init__(self, lead: float = FIRST_LEAD_S) -> None:
        super().__init__()
        self.lead = lead
        self.skew_ms: float | None = None
        self._finished = False

    def report(self, position: float, skew: float | None = None) -> None:
        """The sound is at ``position`` seconds; pictures came ``skew`` milliseconds late."""
        super().report(position)
        if skew is not None:
            self.skew_ms = skew
            self.lead = min(max(self.lead + GAIN * skew / 1000, 0.0), MAX_LEAD_S)

    def finish(self) -> None:
        """The sound has ended."""
        self._finished = True

    def time(self) -> float | None:
        """Seconds of sound for which a picture is due now."""
        if self._finished:
            return float("inf")
        position = super().time()
        return None if position is None else position + self.lead
