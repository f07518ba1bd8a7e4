"""Where else a customer can be reached: a browser, a connector, a letter box."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("customers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("push", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("webhook", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("postal", sa.JSON(), nullable=False, server_default="[]"))
