"""What becomes of actions that speak to the world: notifications have a home in playbooks, the rest is named."""

import json
from collections.abc import Mapping
from typing import Any

from rules.iot_events.account import Account, Weight
from rules.iot_events.models import STATE_KEEPING, Action, DetectorModel

_LEFT: Mapping[str, tuple[str, str]] = {
    "lambda": ("functionArn", "code of your own runs outside: subscribe it to GET /v1/events"),
    "sqs": ("queueUrl", "read episodes from GET /v1/events instead"),
    "firehose": ("deliveryStreamName", "readings are kept in the history by themselves"),
    "dynamoDB": ("tableName", "episodes and readings are kept by themselves"),
    "dynamoDBv2": ("tableName", "episodes and readings are kept by themselves"),
    "iotEvents": ("inputName", "a rule does not feed another rule"),
    "iotSiteWise": ("propertyAlias", "readings are kept in the history by themselves"),
}
NOTIFIES = "the default playbook: it opens a ticket, tells the owner, and says when all is well again"


def tell_actions(model: DetectorModel, account: Account) -> None:
    """A note for each action of a detector model that is not on the detector itself."""
    for state in model.states.values():
        for event in state.events:
            for action in event.actions:
                if action.kind not in STATE_KEEPING:
                    told = state.name if event.target in {"", model.initial} else event.target
                    tell_action(action, account, state=told, when=event.text)


def tell_action(action: Action, account: Account, *, state: str = "", when: str = "true") -> None:
    """The note for one action."""
    under = "" if when.strip() == "true" else f", when {when}"
    if action.kind == "sns":
        topic = _show(action.fields.get("targetArn", ""))
        account.note(Weight.BECOMES, action.path, f"{topic}{under}: {NOTIFIES}", state=state, at="playbook")
    elif action.kind == "iotTopicPublish":
        topic = _show(action.fields.get("mqttTopic", ""))
        account.left(
            action.path,
            f"{topic}{under}: declare the command in the product and send it in a playbook",
            state=state,
            at="playbook",
        )
    else:
        named, instead = _LEFT[action.kind]
        target = _show(action.fields.get(named, ""))
        account.left(action.path, f"{target}{under}: {instead}", state=state, at="playbook")


def _show(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.strip("'")
