"""Celery over Redis: messages that only wake workers. What is to be made, and in which order, is in the rows.

A message says "there is a job in this queue" and names none: who gets it claims the next job in the fair order. So a
message that is lost, doubled or late does no harm; `visema.service.herald` sends what is missing.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from visema.errors import InputError

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)

TASK: Final = "visema.make"
#: Seconds that a broker which does not answer holds up who asks.
_TIMEOUT_S: Final = 2.0


class Broker:
    """Wakes the workers of other processes and machines.

    Args:
        url: ``redis://[:password@]host:port/number``, or ``rediss://``.

    Raises:
        InputError: It is no such address, or Celery is not installed.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise InputError("VISEMA_BROKER is no address of a Redis server.", "Give one such as redis://127.0.0.1/0.")
        self.url = url

    @cached_property
    def app(self) -> Celery:
        """The Celery application, for workers and for who sends.

        Raises:
            InputError: Celery is not installed.
        """
        try:
            from celery import Celery
        except ImportError as e:
            raise InputError("VISEMA_BROKER needs Celery.", "Install it: pip install 'visema[service]'.") from e
        app = Celery("visema", broker=self.url, set_as_current=False)
        app.conf.update(
            task_ignore_result=True,
            task_store_errors_even_if_ignored=False,
            task_default_queue="render",
            # A worker that dies in mid-film gives its message back; its job comes back by its lease.
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            worker_prefetch_multiplier=1,
            # A film is claimed and kept in the database: a broker that is away for a moment breaks off none.
            worker_cancel_long_running_tasks_on_connection_loss=False,
            worker_send_task_events=False,
            worker_hijack_root_logger=False,
            broker_connection_retry_on_startup=True,
            broker_connection_max_retries=None,
            broker_transport_options={
                "socket_timeout": 30, "socket_connect_timeout": _TIMEOUT_S, "visibility_timeout": 24 * 3600,
            },
        )  # fmt: skip
        return app

    def waiting(self, queue: str) -> int:
        """Messages of a queue that nobody has taken.

        Raises:
            OSError: The broker does not answer.
        """
        from redis.exceptions import RedisError

        try:
            return int(self._redis.llen(queue))
        except RedisError as e:
            raise OSError(str(e)) from e

    def wake(self, queue: str, count: int) -> None:
        """Send so many messages.

        Raises:
            OSError: The broker does not answer.
        """
        from kombu.exceptions import OperationalError

        try:
            with self.app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=_TIMEOUT_S)
                for _ in range(count):
                    self.app.send_task(TASK, (queue,), queue=queue, connection=connection, retry=False)
        except OperationalError as e:
            raise OSError(str(e)) from e

    @cached_property
    def _redis(self) -> Any:
        from redis import Redis

        return Redis.from_url(self.url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
