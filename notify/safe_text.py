"""What goes out when every wording of a moment is broken: plain sentences that need no template and cannot fail."""

from collections.abc import Mapping
from typing import Any

from domain.messages import Channel, RecipientKind
from domain.outbox import Content
from notify.phrasebook import MAILED
from notify.wording import SAFETY, audience_of

_NEWS = {
    "en": "{maker}: there is news about your {noun}: {link}",
    "fr": "{maker} : du nouveau pour votre {noun} : {link}",
}
_DANGER = {
    "en": "KEEP EVERYBODY AWAY: your {noun} reports danger. If anybody is in danger, call 112. {maker} {link}",
    "fr": "ÉLOIGNEZ-VOUS TOUS : votre {noun} signale un danger. En cas de danger, appelez le 112. {maker} {link}",
}
_INSTRUCTED = {
    "en": "{instruction}. Your {noun} reports danger. If anybody is in danger, call 112. {maker} {link}",
    "fr": "{instruction}. Votre {noun} signale un danger. En cas de danger, appelez le 112. {maker} {link}",
}
_STAFF = {
    "en": "{maker}: there is news about {noun} {device_id}: {link}",
    "fr": "{maker} : du nouveau pour {noun} {device_id} : {link}",
}
_SPOKEN_NEWS = {
    "en": "This is {maker}. There is news about your {noun}.\n\nPress 9 to talk to a person.\n\nGoodbye.",
    "fr": "Ici {maker}. Il y a du nouveau pour votre {noun}.\n\nTapez 9 pour parler à quelqu'un.\n\nAu revoir.",
}
_SPOKEN_DANGER = {
    "en": "{instruction}. Your {noun} reports danger. If anybody is in danger, call 1 1 2. This is {maker}."
    "\n\nPress 1 if you have understood. Press 9 to talk to a person.\n\nTake care.",
    "fr": "{instruction}. Votre {noun} signale un danger. En cas de danger, appelez le 1 1 2. Ici {maker}."
    "\n\nTapez 1 si vous avez compris. Tapez 9 pour parler à quelqu'un.\n\nPrenez soin de vous.",
}
_AWAY = {"en": "Keep everybody away", "fr": "Éloignez-vous tous"}
_SUBJECT = {
    "en": "{maker}: there is news about your {noun}",
    "fr": "{maker} : du nouveau pour votre {noun}",
}
_SUBJECT_STAFF = {"en": "News about {noun} {device_id}", "fr": "Du nouveau pour {noun} {device_id}"}
_SUBJECT_DANGER = {"en": "Danger: your {noun}", "fr": "Danger : votre {noun}"}


def safe_text(moment: str, facts: Mapping[str, Any], *, channel: Channel, language: str) -> Content:
    """In danger the instruction comes first, here too."""
    known = {name: facts[name] or "" for name in ("maker", "noun", "link", "device_id")}
    # Who does not live there need not get out of anywhere.
    instruction = "" if facts["whose"] else str(facts["instruction"] or "")
    danger, staff = moment == SAFETY, audience_of(moment) is not RecipientKind.CUSTOMER
    if channel is Channel.VOICE:
        words = _SPOKEN_DANGER if danger else _SPOKEN_NEWS
        return Content(words[language].format(instruction=instruction or _AWAY[language], **known))
    if danger:
        words, subject = _INSTRUCTED if instruction else _DANGER, _SUBJECT_DANGER
    else:
        words, subject = (_STAFF, _SUBJECT_STAFF) if staff else (_NEWS, _SUBJECT)
    text = words[language].format(instruction=instruction.upper(), **known)
    return Content(text, subject=subject[language].format(**known) if channel in MAILED else "")
