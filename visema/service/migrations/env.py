"""How Alembic runs the migrations: on the connection that `visema.service.migrate` gives it."""

from alembic import context

from visema.service.schema import META

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=META,
    render_as_batch=True,  # SQLite changes a table only by copying it
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
