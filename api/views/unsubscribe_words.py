"""What the page says that ends a kind of e-mail with one click: exactly what it does, and what stays."""

from collections.abc import Mapping, Sequence

from domain.messages import Channel, Purpose

Words = Mapping[str, str]

EN: Words = {
    "ask_service": "Stop e-mails about your products?",
    "ask_appointment": "Stop e-mails about visits?",
    "does_service": "We would no longer e-mail you when one of your products needs attention, or when it is fixed.",
    "does_appointment": "We would no longer e-mail you when somebody comes to you, or when.",
    "done_service": "No more e-mails about your products",
    "done_appointment": "No more e-mails about visits",
    "did_service": "We no longer e-mail you when one of your products needs attention, or when it is fixed.",
    "did_appointment": "We no longer e-mail you when somebody comes to you, or when.",
    "others": "You still hear from us by {channels}.",
    "none": "We have no other way to tell you, so you will not hear of it from us.",
    "danger": "If there is danger, we write all the same.",
    "stop": "Stop these e-mails",
    "undo": "Keep getting them after all",
    "kept": "You get these e-mails, as before",
    "kept_more": "Nothing has changed.",
    "refused": "You do not get these e-mails",
    "refused_more": "You asked us not to write, or mail to your address came back.",
    "wishes": "Choose what reaches you, where and when",
    "sms": "text message",
    "voice": "phone",
    "whatsapp": "WhatsApp",
    "push": "notifications",
    "letter": "letter",
    "webhook": "your messenger",
    "and": " and ",
}

FR: Words = {
    "ask_service": "Ne plus recevoir d'e-mails sur vos appareils ?",
    "ask_appointment": "Ne plus recevoir d'e-mails sur les visites ?",
    "does_service": "Nous ne vous écririons plus par e-mail quand un de vos appareils demande votre attention, "
    "ni quand c'est réparé.",
    "does_appointment": "Nous ne vous écririons plus par e-mail quand quelqu'un vient chez vous, ni à quelle heure.",
    "done_service": "Plus d'e-mails sur vos appareils",
    "done_appointment": "Plus d'e-mails sur les visites",
    "did_service": "Nous ne vous écrivons plus par e-mail quand un de vos appareils demande votre attention, ni quand "
    "c'est réparé.",
    "did_appointment": "Nous ne vous écrivons plus par e-mail quand quelqu'un vient chez vous, ni à quelle heure.",
    "others": "Vous avez toujours de nos nouvelles par {channels}.",
    "none": "Nous n'avons pas d'autre moyen de vous prévenir : vous n'aurez donc plus de nouvelles.",
    "danger": "En cas de danger, nous vous écrivons quand même.",
    "stop": "Ne plus recevoir ces e-mails",
    "undo": "Continuer à les recevoir",
    "kept": "Vous recevez ces e-mails, comme avant",
    "kept_more": "Rien n'a changé.",
    "refused": "Vous ne recevez pas ces e-mails",
    "refused_more": "Vous nous avez demandé plus tôt de ne plus écrire, ou un e-mail nous est revenu.",
    "wishes": "Choisir ce qui vous parvient, où et quand",
    "sms": "SMS",
    "voice": "téléphone",
    "whatsapp": "WhatsApp",
    "push": "notifications",
    "letter": "courrier",
    "webhook": "votre messagerie",
    "and": " et ",
}

_LANGUAGES = {"en": EN, "fr": FR}


def words_of(language: str) -> Words:
    """English where we do not speak it."""
    return _LANGUAGES.get(language, EN)


def stays(others: Sequence[Channel], words: Words) -> str:
    """What remains of our word to this person."""
    if not others:
        return words["none"]
    return words["others"].format(channels=words["and"].join(words[one] for one in others))


def key(word: str, purpose: Purpose) -> str:
    """Visits have words of their own; all else is about products."""
    return f"{word}_{purpose if purpose is Purpose.APPOINTMENT else Purpose.SERVICE}"
