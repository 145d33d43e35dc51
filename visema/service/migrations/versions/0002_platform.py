"""The platform: kinds of jobs, keys, batches, deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("key", sa.String(length=32), server_default="", nullable=False),
        sa.Column("address", sa.String(length=64), server_default="", nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=128), server_default="", nullable=False),
        sa.Column("outcome", sa.String(length=16), server_default="ok", nullable=False),
        sa.Column("detail", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("audit_key", ["key", "number"], unique=False)
        batch_op.create_index("audit_time", ["time"], unique=False)

    op.create_table(
        "avatars",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=32), server_default="", nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("consent", sa.JSON(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=32), server_default="", nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("webhook", sa.Text(), nullable=True),
        sa.Column("refused", sa.JSON(), nullable=True),
        sa.Column("once", sa.String(length=255), nullable=True),
        sa.Column("asked", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.create_index("batches_once", ["key", "once"], unique=True)

    op.create_table(
        "deliveries",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=32), server_default="", nullable=False),
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("owner", sa.String(length=128), server_default="", nullable=False),
        sa.Column("lease", sa.Double(), server_default="0", nullable=False),
        sa.Column("tries", sa.JSON(), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("deliveries_next", ["state", "due"], unique=False)
        batch_op.create_index("deliveries_of_job", ["job", "number"], unique=False)

    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.Column("revoked", sa.Double(), nullable=True),
        sa.Column("used", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "outputs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=32), server_default="", nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("outputs", schema=None) as batch_op:
        batch_op.create_index("outputs_of_job", ["job"], unique=False)

    op.create_table(
        "usage",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("span", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("key", "what", "span"),
    )
    op.create_table(
        "voices",
        sa.Column("name", sa.String(length=48), nullable=False),
        sa.Column("key", sa.String(length=32), server_default="", nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(length=16), server_default="film", nullable=False))
        batch_op.add_column(sa.Column("queue", sa.String(length=16), server_default="render", nullable=False))
        batch_op.add_column(sa.Column("key", sa.String(length=32), server_default="", nullable=False))
        batch_op.add_column(sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("result", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("cost", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("due", sa.Double(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("tries", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("expected", sa.Double(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("batch", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("webhook", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("once", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("asked", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("trace", sa.String(length=64), nullable=True))
        batch_op.drop_index("jobs_next")
        batch_op.create_index("jobs_next", ["state", "queue", "priority", "turn", "number"], unique=False)
        batch_op.create_index("jobs_ended", ["state", "ended"], unique=False)
        batch_op.create_index("jobs_of_batch", ["batch", "number"], unique=False)
        batch_op.create_index("jobs_of_key", ["key", "number"], unique=False)
        batch_op.create_index("jobs_turns", ["queue", "priority", "turn"], unique=False)
        batch_op.create_index("jobs_once", ["key", "once"], unique=True)


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("jobs_once")
        batch_op.drop_index("jobs_turns")
        batch_op.drop_index("jobs_of_key")
        batch_op.drop_index("jobs_of_batch")
        batch_op.drop_index("jobs_ended")
        batch_op.drop_index("jobs_next")
        batch_op.create_index("jobs_next", ["state", "turn", "number"], unique=False)
        batch_op.drop_column("trace")
        batch_op.drop_column("asked")
        batch_op.drop_column("once")
        batch_op.drop_column("webhook")
        batch_op.drop_column("batch")
        batch_op.drop_column("expected")
        batch_op.drop_column("bytes")
        batch_op.drop_column("tries")
        batch_op.drop_column("due")
        batch_op.drop_column("cost")
        batch_op.drop_column("result")
        batch_op.drop_column("priority")
        batch_op.drop_column("key")
        batch_op.drop_column("queue")
        batch_op.drop_column("kind")

    op.drop_table("voices")
    op.drop_table("usage")
    with op.batch_alter_table("outputs", schema=None) as batch_op:
        batch_op.drop_index("outputs_of_job")

    op.drop_table("outputs")
    op.drop_table("keys")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index("deliveries_of_job")
        batch_op.drop_index("deliveries_next")

    op.drop_table("deliveries")
    op.drop_table("batches")
    op.drop_table("avatars")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index("audit_time")
        batch_op.drop_index("audit_key")

    op.drop_table("audit")
