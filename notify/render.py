"""Messages are written here: a brief and a template become the text, and for e-mail the HTML, that a person reads.

`templates/sms/MOMENT.LANGUAGE.txt` is the text message, `templates/voice/MOMENT.LANGUAGE.txt` what a call says: the
message, its menu and the farewell, a paragraph each. `templates/email/MOMENT.LANGUAGE.txt` holds the blocks subject,
headline, body and button as plain text; `layout.txt` and `layout.html` give them their two forms.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError, UndefinedError
from jinja2.sandbox import SandboxedEnvironment

from domain.messages import Channel, MessageStage
from domain.outbox import Brief, Content
from notify import wording

TEMPLATES = Path(__file__).parent / "templates"

# Blanks and quotes that look alike and would push a text message out of GSM-7.
_PLAIN = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2018": "'"})
_TEXTS = frozenset({Channel.SMS, Channel.WHATSAPP})
_SHEETS = frozenset({Channel.PUSH, Channel.WEBHOOK, Channel.LETTER})
_BLANKS = re.compile(r"\s+")
_FALLBACK = {
    "en": "{maker}: there is news about your {noun}: {link}",
    "fr": "{maker} : du nouveau pour votre {noun} : {link}",
}
_SPOKEN_FALLBACK = {
    "en": "This is {maker}. There is news about your {noun}.\n\nPress 9 to talk to a person.\n\nGoodbye.",
    "fr": "Ici {maker}. Il y a du nouveau pour votre {noun}.\n\nTapez 9 pour parler à quelqu'un.\n\nAu revoir.",
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What goes out. `problem` says why it is only the plain text for emergencies."""

    content: Content
    problem: str = ""


class Renderer:
    """Renders from the templates below `folder`."""

    def __init__(self, folder: Path = TEMPLATES) -> None:
        loader = FileSystemLoader(folder)
        self._text = SandboxedEnvironment(loader=loader, undefined=StrictUndefined, finalize=_known, autoescape=False)
        self._html = SandboxedEnvironment(loader=loader, undefined=StrictUndefined, finalize=_known, autoescape=True)

    def render(self, stage: MessageStage, brief: Brief, *, channel: Channel, now: datetime) -> Rendered:
        """A template that fails must not silence us: a safe text goes out, and the problem is named."""
        language = wording.language_of(brief)
        facts = wording.facts(brief, language=language, now=now)
        moment = wording.moment_of(stage, brief)
        try:
            rendered = Rendered(self._content(channel, moment, facts, language=language))
        except TemplateError as exc:
            content = _fallback(facts, channel=channel, language=language)
            rendered = Rendered(content, problem=f"{moment}.{language}: {exc}")
        known = {name: fact for name, fact in facts.items() if isinstance(fact, str)}
        heard = brief.last_inbound.get(channel)
        content = replace(rendered.content, language=language, moment=str(moment), facts=known, last_inbound=heard)
        return replace(rendered, content=content)

    def _content(self, channel: Channel, moment: str, facts: dict[str, Any], *, language: str) -> Content:
        if channel in _TEXTS:
            return Content(self.sms(moment, facts, language=language))
        if channel is Channel.VOICE:
            return Content(self.voice(moment, facts, language=language))
        if channel in _SHEETS:
            return self.sheet(moment, facts, language=language)
        return self.email(moment, facts, language=language)

    def sheet(self, moment: str, facts: dict[str, Any], *, language: str) -> Content:
        """Headline, paragraphs and link apart, for a push, a connector or a letter. Raises TemplateError."""
        template = self._text.get_template(f"email/{moment}.{language}.txt")
        return Content(
            text="\n\n".join(_paragraphs(_block(template, "body", facts))),
            subject=_one_line(_block(template, "headline", facts)),
            link=facts["link"],
            sender=facts["maker"],
        )

    def sms(self, moment: str, facts: dict[str, Any], *, language: str) -> str:
        """One line. Raises TemplateError."""
        template = self._text.get_template(f"sms/{moment}.{language}.txt")
        return _one_line(template.render(facts)).translate(_PLAIN)

    def voice(self, moment: str, facts: dict[str, Any], *, language: str) -> str:
        """What a call says: message, menu and farewell. Raises TemplateError."""
        template = self._text.get_template(f"voice/{moment}.{language}.txt")
        return "\n\n".join(_paragraphs(template.render(facts)))

    def line(self, name: str, facts: dict[str, Any], *, language: str) -> str:
        """What a call says beside its message. Raises TemplateError."""
        return _one_line(_block(self._text.get_template(f"voice/lines.{language}.txt"), name, facts))

    def email(self, moment: str, facts: dict[str, Any], *, language: str) -> Content:
        """Subject, text and HTML. Raises TemplateError."""
        template = self._text.get_template(f"email/{moment}.{language}.txt")
        footer = self._text.get_template(f"email/footer.{language}.txt")
        parts: dict[str, Any] = {
            "language": language,
            "maker": facts["maker"],
            "link": facts["link"],
            "headline": _one_line(_block(template, "headline", facts)),
            "paragraphs": _paragraphs(_block(template, "body", facts)),
            "button": _one_line(_block(template, "button", facts)),
            "footer": _one_line(footer.render(facts)),
        }
        return Content(
            text=self._text.get_template("email/layout.txt").render(parts),
            subject=_one_line(_block(template, "subject", facts)),
            html=self._html.get_template("email/layout.html").render(parts),
        )


def _block(template: Template, name: str, facts: dict[str, Any]) -> str:
    if name not in template.blocks:
        raise UndefinedError(f"{template.name} has no block {name!r}")
    return "".join(template.blocks[name](template.new_context(facts)))


def _known(value: object) -> object:
    if value is None:
        raise UndefinedError("a fact that the template prints is not known")
    return value


def _one_line(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()


def _paragraphs(text: str) -> list[str]:
    return [line for line in (_one_line(part) for part in re.split(r"\n\s*\n", text)) if line]


def _fallback(facts: dict[str, Any], *, channel: Channel, language: str) -> Content:
    if channel is Channel.VOICE:
        return Content(_SPOKEN_FALLBACK[language].format(maker=facts["maker"], noun=facts["noun"]))
    text = _FALLBACK[language].format(maker=facts["maker"], noun=facts["noun"], link=facts["link"])
    return Content(text=text, subject=text.partition(": http")[0].partition(" : http")[0])
