"""Alarm models: one comparison becomes one rule."""

from rules.iot_events.account import Account, Weight
from rules.iot_events.actions import NOTIFIES, tell_action
from rules.iot_events.expressions import Binary
from rules.iot_events.levels import Draft
from rules.iot_events.models import AlarmModel


def draft_alarm(model: AlarmModel, account: Account) -> Draft:
    """The rule; it clears when the comparison no longer holds."""
    draft = Draft("", model.path, frozenset({""}), when=Binary(model.operator, model.left, model.threshold))
    top = model.path.removesuffix("Rule").rsplit(".", 2)[0]
    if model.severity is not None:
        account.differs(
            f"{top}.severity", f"severity {model.severity}: the service gave these numbers no meaning; choose one",
            at="severity",
        )  # fmt: skip
    if model.acknowledge:
        account.left(
            f"{top}.alarmCapabilities.acknowledgeFlow",
            "there an alarm stayed latched until acknowledged; here the episode ends with the condition, "
            "and the ticket stays until someone closes it or it resolves",
            at="clear",
        )
    if model.disabled:
        account.note(
            Weight.BECOMES,
            f"{top}.alarmCapabilities.initializationConfiguration",
            "alarms began disabled: stage: draft keeps the rule still until you raise it",
            at="stage",
        )
    for path in model.notifications:
        account.note(Weight.BECOMES, path, f"a notification: {NOTIFIES}", at="playbook")
    for action in model.actions:
        tell_action(action, account)
    for path in model.extras:
        account.left(path, "this key is not known")
    return draft
