"""The tables of the platform. Their first making and every change is a migration (`visema.service.migrate`).

Times are seconds since 1970, UTC. Ids that clients see are text which nobody can guess; rows of one table refer to
another's by them. An empty ``key`` means the machine's own user, for whom no key is needed on loopback.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

META: Final = sa.MetaData()

#: What is to be made. The rows are the truth about every job; brokers only carry wake-ups.
JOBS: Final = sa.Table(
    "jobs",
    META,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False, server_default="film"),  # film, speak, train
    sa.Column("queue", sa.String(16), nullable=False, server_default="render"),  # render, train
    sa.Column("key", sa.String(32), nullable=False, server_default=""),  # whose it is
    sa.Column("client", sa.String(200), nullable=False),  # among whom turns are fair: the key, else the address
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),  # -10 to 10; greater comes first
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("stage", sa.String(32), nullable=False, default=""),
    sa.Column("percent", sa.Float, nullable=False, default=0.0),
    sa.Column("message", sa.Text, nullable=False, default=""),
    sa.Column("error", sa.String(64), nullable=False, default=""),
    sa.Column("detail", sa.Text, nullable=False, default=""),
    sa.Column("hint", sa.Text, nullable=False, default=""),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True)),  # what it made beside the film: avatar, report, provenance
    sa.Column("cost", sa.JSON(none_as_null=True)),  # characters, seconds, money by the price table
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("ended", sa.Double),
    sa.Column("due", sa.Double, nullable=False, server_default="0"),  # not begun before: the pause before a retry
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("tries", sa.JSON(none_as_null=True)),  # why earlier attempts ended: [{attempt, ended, error, detail}]
    sa.Column("owner", sa.String(128), nullable=False, default=""),
    sa.Column("lease", sa.Double, nullable=False, default=0.0),
    sa.Column("cancel", sa.Boolean, nullable=False, default=False),
    sa.Column("duration", sa.Double),
    sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),  # of the film; expired: 0 once it is gone
    sa.Column("expected", sa.Double, nullable=False, server_default="0"),  # seconds of film, guessed when asked for
    sa.Column("batch", sa.String(64)),
    sa.Column("webhook", sa.Text),  # address that hears of its end
    sa.Column("once", sa.String(255)),  # the Idempotency-Key that it was asked for with
    sa.Column("asked", sa.String(64)),  # SHA-256 of the request, to tell a repetition from a different one
    sa.Column("trace", sa.String(64)),  # traceparent of the request, so that its trace goes on in the worker
    sa.Index("jobs_next", "state", "queue", "priority", "turn", "number"),
    sa.Index("jobs_ended", "state", "ended"),
    sa.Index("jobs_of_client", "client", "turn"),
    sa.Index("jobs_of_key", "key", "number"),
    sa.Index("jobs_of_batch", "batch", "number"),
    sa.Index("jobs_turns", "queue", "priority", "turn"),
    sa.Index("jobs_once", "key", "once", unique=True),
)

#: Many jobs asked for at once.
BATCHES: Final = sa.Table(
    "batches",
    META,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(32), nullable=False, server_default=""),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("items", sa.Integer, nullable=False),
    sa.Column("webhook", sa.Text),
    sa.Column("refused", sa.JSON),  # items that could not be used: [{index, error, detail, hint}]
    sa.Column("once", sa.String(255)),  # the Idempotency-Key that it was asked for with
    sa.Column("asked", sa.String(64)),  # SHA-256 of the request, to tell a repetition from a different one
    sa.Index("batches_once", "key", "once", unique=True),
)

#: Who may use the server. The secret itself is shown once and kept nowhere.
KEYS: Final = sa.Table(
    "keys",
    META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),  # SHA-256 of the secret, which is 256 random bits
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("limits", sa.JSON, nullable=False),  # requests a minute, seconds of video a month, bytes kept, …
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("expires", sa.Double),
    sa.Column("revoked", sa.Double),
    sa.Column("used", sa.Double),
)

#: What a key has used in a span of time; one row for each, counted up.
USAGE: Final = sa.Table(
    "usage",
    META,
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("what", sa.String(16), primary_key=True),  # requests, video_s, characters, money
    sa.Column("span", sa.Integer, primary_key=True),  # begin of the minute, or month as YYYYMM
    sa.Column("amount", sa.Double, nullable=False, server_default="0"),
)

#: Who did what; rows are only ever added, and go by age.
AUDIT: Final = sa.Table(
    "audit",
    META,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("key", sa.String(32), nullable=False, server_default=""),
    sa.Column("address", sa.String(64), nullable=False, server_default=""),
    sa.Column("action", sa.String(32), nullable=False),  # job.create, avatar.delete, key.create, login.fail, …
    sa.Column("target", sa.String(128), nullable=False, server_default=""),
    sa.Column("outcome", sa.String(16), nullable=False, server_default="ok"),
    sa.Column("detail", sa.JSON(none_as_null=True)),
    sa.Index("audit_time", "time"),
    sa.Index("audit_key", "key", "number"),
)

#: Whose a face is, and who agreed to its use; the face itself is an Avatar package in the cache or the storage.
AVATARS: Final = sa.Table(
    "avatars",
    META,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(32), nullable=False, server_default=""),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("consent", sa.JSON(none_as_null=True)),  # {text, who, when}
    sa.Column("report", sa.JSON(none_as_null=True)),  # sharpness, light, pose, occlusion, mouth
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
)

#: Whose an avatar is that was deleted, at the time that is ``created`` then: where a copy is left on another machine,
#: it is nobody's, and goes with that machine's next sweep (`visema.service.faces`).
GONE: Final = "!"

#: Whose a voice of one's own is; the voice itself is kept by `visema.speech.own_voices`.
VOICES: Final = sa.Table(
    "voices",
    META,
    sa.Column("name", sa.String(48), primary_key=True),
    sa.Column("key", sa.String(32), nullable=False, server_default=""),
    sa.Column("created", sa.Double, nullable=False),
)

#: News that are to be sent to somebody's server, and what became of it.
DELIVERIES: Final = sa.Table(
    "deliveries",
    META,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("key", sa.String(32), nullable=False, server_default=""),
    sa.Column("job", sa.String(64), nullable=False),
    sa.Column("event", sa.String(32), nullable=False),  # job.done, job.failed, job.cancelled, batch.done
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, sent, failed
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due", sa.Double, nullable=False),
    sa.Column("owner", sa.String(128), nullable=False, server_default=""),
    sa.Column("lease", sa.Double, nullable=False, server_default="0"),
    sa.Column("tries", sa.JSON(none_as_null=True)),  # [{time, status, error, ms}]
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("ended", sa.Double),
    sa.Index("deliveries_next", "state", "due"),
    sa.Index("deliveries_of_job", "job", "number"),
)

#: Every film that was given out, so that its mark can be looked up after the film is gone.
OUTPUTS: Final = sa.Table(
    "outputs",
    META,
    sa.Column("id", sa.String(64), primary_key=True),  # the provenance id inside the file
    sa.Column("job", sa.String(64), nullable=False),
    sa.Column("key", sa.String(32), nullable=False, server_default=""),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),  # engine, voice, avatar, consents, version
    sa.Index("outputs_of_job", "job"),
)
