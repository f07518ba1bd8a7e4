"""What a template manifest may say: a maker's own words for a moment on a channel, by language."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from api.schemas.declared import Declared, Words
from api.schemas.moments import Moment, Shown
from domain.messages import Channel
from domain.spelling import suggest
from domain.wordings import Override, name_of
from notify.phrasebook import MAIL, TEXT
from notify.wording import LANGUAGES, MOMENTS

Worded = Literal["sms", "email", "voice", "whatsapp"]


class TemplateIn(Declared):
    """`text` for what is read at once or heard, any of the four others for e-mail; the rest stays as shipped."""

    moment: str
    channel: Worded
    maker: str = Field("", description="a maker's id; left out, the words are for all makers that have none themselves")
    text: Words = Field(default_factory=dict)
    subject: Words = Field(default_factory=dict)
    headline: Words = Field(default_factory=dict)
    body: Words = Field(default_factory=dict)
    button: Words = Field(default_factory=dict)

    @field_validator("moment")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in MOMENTS:
            near = suggest(value, MOMENTS) or f"moments are: {', '.join(MOMENTS)}"
            raise ValueError(f"there is no moment {value!r}; {near}")
        return value

    @field_validator(*TEXT, *MAIL)
    @classmethod
    def _spoken(cls, value: dict[str, str]) -> dict[str, str]:
        for language in value:
            if language not in LANGUAGES:
                raise ValueError(f"we do not speak {language!r}; write en or fr")
        return value

    @model_validator(mode="after")
    def _fitting(self) -> "TemplateIn":
        mail = self.channel == "email"
        fitting, others = (MAIL, TEXT) if mail else (TEXT, MAIL)
        if wrong := [part for part in others if getattr(self, part)]:
            raise ValueError(f"{wrong[0]} is not for {self.channel}; write {' or '.join(fitting)}")
        if not any(getattr(self, part) for part in fitting):
            raise ValueError(f"there are no words; write {' or '.join(fitting)}, as {{en: …, fr: …}}")
        return self

    @property
    def key(self) -> str:
        """The name under which they are kept."""
        return name_of(self.maker, self.moment, self.channel)

    def override(self) -> Override:
        """As the phrasebook takes it."""
        words: dict[str, dict[str, str]] = {}
        for part in (*TEXT, *MAIL):
            for language, text in getattr(self, part).items():
                words.setdefault(language, {})[part] = text
        return Override(self.maker, self.moment, Channel(self.channel), 1, words)


class TemplateOut(Shown):
    """Words in force."""

    name: str
    version: int
    maker: str
    moment: str
    channel: str
    words: Mapping[str, Any]
    created_at: Moment
