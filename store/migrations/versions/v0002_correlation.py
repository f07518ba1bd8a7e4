"""What the correlator keeps: storms and their children, inhibitions, hours, maintenance windows, firmware periods."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from store.tables.base import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_VERSIONS = sa.table(
    "rule_versions",
    sa.column("name", sa.String),
    sa.column("version", sa.Integer),
    sa.column("body", sa.JSON),
    sa.column("silence", sa.JSON),
)
_DEVICES = sa.table(
    "devices",
    sa.column("id", sa.String),
    sa.column("product", sa.String),
    sa.column("attributes", sa.JSON),
    sa.column("reported", sa.JSON),
    sa.column("registered_at", UtcDateTime),
)
_PERIODS = sa.table(
    "firmware_periods",
    sa.column("device_id", sa.String),
    sa.column("product", sa.String),
    sa.column("firmware", sa.String),
    sa.column("since", UtcDateTime),
)


def upgrade() -> None:
    _tables()
    with op.batch_alter_table("rule_versions") as batch:
        batch.add_column(sa.Column("storm", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
        batch.add_column(sa.Column("active", sa.JSON(), nullable=False, server_default="[]"))
        batch.add_column(sa.Column("silence", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
    with op.batch_alter_table("faults") as batch:
        batch.add_column(sa.Column("inhibited_by", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("kept_back", sa.String(), nullable=True))
        batch.add_column(sa.Column("late_evidence_s", sa.Double(), nullable=True))
        batch.create_index("ix_faults_inhibited_by", ["inhibited_by"])
    with op.batch_alter_table("tickets") as batch:
        batch.add_column(sa.Column("parent_id", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("scope", sa.String(), nullable=True))
        batch.add_column(sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("held_until", UtcDateTime(), nullable=True))
        batch.create_foreign_key("fk_tickets_parent_id", "tickets", ["parent_id"], ["id"])
        batch.create_index("ix_tickets_parent_id", ["parent_id"])
    for column in ("gateway", "address", "product"):
        op.create_index(f"ix_devices_{column}", "devices", [column])
    _fill()


def _tables() -> None:
    op.create_table(
        "inhibitions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("target_rule", sa.String(), nullable=True),
        sa.Column("target_family", sa.String(), nullable=True),
        sa.Column("reach", sa.String(), nullable=False),
    )
    op.create_index("ix_inhibitions_rule", "inhibitions", ["rule", "version"])
    op.create_index("ix_inhibitions_target_rule", "inhibitions", ["target_rule"])
    op.create_index("ix_inhibitions_target_family", "inhibitions", ["target_family"])
    op.create_table(
        "mutes",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("start", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("rrule", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=False),
    )
    op.create_index("ix_mutes_scope", "mutes", ["scope", "value"])
    op.create_table(
        "firmware_periods",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("firmware", sa.String(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
    )
    op.create_index("ix_firmware_periods_device", "firmware_periods", ["device_id", "until"])
    op.create_index("ix_firmware_periods_firmware", "firmware_periods", ["product", "firmware", "until"])


def _fill() -> None:
    """Rules and devices that are there already: which rules watch for silence, and which firmware runs where."""
    connection = op.get_bind()
    for name, version, body in connection.execute(sa.select(_VERSIONS.c.name, _VERSIONS.c.version, _VERSIONS.c.body)):
        silence = _silence((body or {}).get("signals") or {})
        if silence:
            here = (_VERSIONS.c.name == name) & (_VERSIONS.c.version == version)
            connection.execute(sa.update(_VERSIONS).where(here).values(silence=silence))
    columns = (_DEVICES.c.id, _DEVICES.c.product, _DEVICES.c.attributes, _DEVICES.c.reported, _DEVICES.c.registered_at)
    for device_id, product, declared, reported, since in connection.execute(sa.select(*columns)):
        firmware = {**(reported or {}), **(declared or {})}.get("firmware")
        if product and firmware is not None:
            row = {"device_id": device_id, "product": product, "firmware": str(firmware), "since": since}
            connection.execute(sa.insert(_PERIODS).values(**row))


def _silence(signals: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(signal.get("of") or "")
        for name, signal in signals.items()
        if isinstance(signal, dict) and signal.get("op") == "silence"
    }


def downgrade() -> None:
    for table in ("firmware_periods", "mutes", "inhibitions"):
        op.drop_table(table)
    for column in ("gateway", "address", "product"):
        op.drop_index(f"ix_devices_{column}", "devices")
    with op.batch_alter_table("tickets") as batch:
        batch.drop_index("ix_tickets_parent_id")
        batch.drop_constraint("fk_tickets_parent_id", type_="foreignkey")
        for column in ("held_until", "held", "scope", "parent_id"):
            batch.drop_column(column)
    with op.batch_alter_table("faults") as batch:
        batch.drop_index("ix_faults_inhibited_by")
        for column in ("late_evidence_s", "kept_back", "inhibited_by"):
            batch.drop_column(column)
    with op.batch_alter_table("rule_versions") as batch:
        for column in ("silence", "active", "storm"):
            batch.drop_column(column)
