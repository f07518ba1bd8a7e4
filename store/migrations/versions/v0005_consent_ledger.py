"""The consent ledger instead of a list of channels; what a message is for, on which rung, from whom, at what price."""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from store.tables.base import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PURPOSES = ["appointment", "marketing", "safety", "service"]
KEY = ["ticket_id", "stage", "occurrence", "recipient_kind", "recipient_id"]
NAMING = {"uq": "uq_%(table_name)s_%(column_0_name)s"}


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_kind", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("purposes", sa.JSON(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_consents_person", "consents", ["person_kind", "person_id"])
    _move_opt_outs()
    with op.batch_alter_table("customers", schema=None) as batch_op:
        batch_op.drop_column("opted_out")
    with op.batch_alter_table("messages", schema=None, naming_convention=NAMING) as batch_op:
        batch_op.add_column(sa.Column("purpose", sa.String(), nullable=False, server_default="service"))
        batch_op.add_column(sa.Column("rung", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("only_channel", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("expires_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("sender", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("segments", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("cost", sa.Double(), nullable=True))
        batch_op.drop_constraint(_key_name(), type_="unique")
        batch_op.create_unique_constraint("uq_messages_one_per_stage", [*KEY, "rung"])


def _key_name() -> str:
    """PostgreSQL named the old key itself; SQLite's has no name until this migration gives it one."""
    if op.get_bind().dialect.name == "sqlite":
        return "uq_messages_ticket_id"
    keys = sa.inspect(op.get_bind()).get_unique_constraints("messages")
    return next(str(key["name"]) for key in keys if key["column_names"] == KEY)


def _move_opt_outs() -> None:
    bind, now = op.get_bind(), datetime.now(UTC)
    consents = sa.table(
        "consents",
        *(
            sa.column(name)
            for name in ("person_kind", "person_id", "channel", "granted", "source", "actor", "evidence")
        ),
        sa.column("purposes", sa.JSON()),
        sa.column("at", UtcDateTime()),
    )
    for customer_id, channels in bind.execute(sa.text("SELECT id, opted_out FROM customers")):
        for channel in json.loads(channels) if isinstance(channels, str) else channels or []:
            bind.execute(
                consents.insert().values(
                    person_kind="customer",
                    person_id=customer_id,
                    channel=channel,
                    purposes=PURPOSES,
                    granted=False,
                    source="import",
                    actor="migration",
                    evidence="opted out before the ledger was kept",
                    at=now,
                )
            )
