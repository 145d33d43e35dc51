"""Removes what the database has kept long enough: counts of minutes, old deliveries, the audit log by age."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from visema.service import audit, courier, limits

DAY_S = 86400.0


def tidy(engine: Engine, now: float, audit_days: float) -> int:
    """Remove it; how many rows.

    Args:
        engine: The database.
        now: The time, seconds since 1970.
        audit_days: How long the audit log is kept.
    """
    return (
        limits.forget(engine, now)
        + courier.forget(engine, now - courier.KEPT_S)
        + audit.forget(engine, now - audit_days * DAY_S)
    )
