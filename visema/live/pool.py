"""Threads that draw for all stages: whoever is due first is served first."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

#: After an error of a task, so long until it is asked again.
RETRY_S = 1.0


class Task:
    """Something that is called when it is due, never by two threads at once.

    Args:
        run: Does what is to be done; returns the monotonic time when it is due again, or None for not until asked.
    """

    def __init__(self, run: Callable[[], float | None]) -> None:
        self.run = run
        self.due: float | None = None
        self.running = False


class Pool:
    """A few threads and the tasks that wait for them, in order of when they are due.

    Drawing leaves Python's lock, so more threads than cores bring nothing.

    Args:
        threads: How many; as many as cores, up to four, by default.
    """

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads or min(4, os.cpu_count() or 1)
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Task]] = []
        self._count = itertools.count()
        self._closed = False
        self._workers = [
            threading.Thread(target=self._work, name=f"stage-{k}", daemon=True) for k in range(self.threads)
        ]
        for worker in self._workers:
            worker.start()

    def schedule(self, task: Task, due: float) -> None:
        """Have ``task`` run at ``due`` (monotonic time), or sooner where that was arranged before."""
        with self._changed:
            if self._closed or (task.due is not None and task.due <= due):
                return
            task.due = due
            if not task.running:
                heapq.heappush(self._heap, (due, next(self._count), task))
                self._changed.notify()

    def cancel(self, task: Task) -> None:
        """Forget ``task``; a run of it that has begun ends by itself."""
        with self._changed:
            task.due = None

    def close(self) -> None:
        """Stop; what is running ends first."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify_all()
        for worker in self._workers:
            if worker is not threading.current_thread():
                worker.join(timeout=2)

    def _work(self) -> None:
        while True:
            task = self._next()
            if task is None:
                return
            try:
                again = task.run()
            except Exception:
                log.exception("A stage could not go on; it is tried again.")
                again = time.monotonic() + RETRY_S
            with self._changed:
                task.running = False
                asked = task.due
                task.due = None
            times = [t for t in (again, asked) if t is not None]
            if times:
                self.schedule(task, min(times))

    def _next(self) -> Task | None:
        """Wait for the first task that is due, and take it; None at the end."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if self._heap and self._heap[0][0] <= now:
                    due, _, task = heapq.heappop(self._heap)
                    if task.due != due or task.running:
                        continue  # arranged anew, or given up
                    task.running, task.due = True, None
                    return task
                self._changed.wait(self._heap[0][0] - now if self._heap else None)
            return None
