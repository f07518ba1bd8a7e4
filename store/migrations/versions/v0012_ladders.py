"""Ladders: the bottom of one, why it is over, who has acknowledged; brakes: causes, and what a day has cost."""

import sqlalchemy as sa
from alembic import op

from store.tables.base import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("ladder", sa.Integer(), nullable=True))
    op.add_column("messages", sa.Column("ladder_over", sa.String(), nullable=True))
    op.add_column("tickets", sa.Column("acknowledged_at", UtcDateTime(), nullable=True))
    op.add_column("tickets", sa.Column("acknowledged_by", sa.String(), nullable=True))
    op.add_column("messages", sa.Column("cause", sa.String(), nullable=True))
    op.create_index("ix_messages_cause", "messages", ["cause"])
    op.create_table(
        "causes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=True),
        sa.Column("wanted_at", UtcDateTime(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_table(
        "spending",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("amount", sa.Double(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("day", "scope"),
    )
