"""Verdicts, samples frozen around a fault, what a shadow rule would have done, and the life of a rule.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

from store.tables.base import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fault_id", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["fault_id"], ["faults.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_verdicts_fault_id", "verdicts", ["fault_id"])
    op.create_table(
        "fault_samples",
        sa.Column("fault_id", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["fault_id"], ["faults.id"]),
        sa.PrimaryKeyConstraint("fault_id"),
    )
    op.create_index("ix_fault_samples_due_at", "fault_samples", ["due_at"])
    op.create_table(
        "stage_moves",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("was", sa.String(), nullable=True),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_stage_moves_rule", "stage_moves", ["rule"])
    op.add_column("faults", sa.Column("would", sa.JSON(none_as_null=True), nullable=True))
    _keep_verdicts()


def downgrade() -> None:
    with op.batch_alter_table("faults") as faults:
        faults.drop_column("would")
    for name in ("stage_moves", "fault_samples", "verdicts"):
        op.drop_table(name)


def _keep_verdicts() -> None:
    """What was said before had no table: it becomes the history's first entry, at the time of the fault."""
    op.execute(
        """
        INSERT INTO verdicts (fault_id, verdict, source, "by", at, note)
        SELECT id, verdict, CASE WHEN verdict_by LIKE 'technician:%' THEN 'technician' ELSE 'agent' END, verdict_by,
               coalesce(resolved_at, fired_at), ''
        FROM faults WHERE verdict IS NOT NULL AND verdict_by IS NOT NULL
        """
    )
