"""A message as a printed sheet: A4, address where the window of a DL envelope is, folded in three."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from fpdf import FPDF

_MM_LEFT, _MM_RIGHT = 25, 20
_ADDRESS_AT = (25, 50)
"""Left and top of the address, in mm: DIN 5008 form B, whose window is on the left. 85 x 40 mm is its room."""
_LINES = 6
_FOLDS_MM = (105, 210)
_FAMILY = "DejaVu"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands on it. `address` holds the lines of the envelope's window, `link` what one may type instead."""

    sender: str
    address: Sequence[str]
    written_at: datetime
    date: str
    subject: str
    paragraphs: Sequence[str]
    link: str = ""
    language: str = "en"


def print_ready(sheet: Sheet) -> bytes:
    """The PDF, fonts embedded. The same sheet gives the same bytes."""
    pdf = FPDF(format="A4", unit="mm")
    pdf.set_creation_date(sheet.written_at)
    pdf.set_lang(sheet.language)
    pdf.set_title(sheet.subject)
    pdf.set_margins(_MM_LEFT, 20, _MM_RIGHT)
    pdf.set_auto_page_break(auto=True, margin=25)
    for style, file in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
        pdf.add_font(_FAMILY, style, _fonts() / file)
    pdf.add_page()
    _head(pdf, sheet)
    _body(pdf, sheet)
    return bytes(pdf.output())


def _head(pdf: FPDF, sheet: Sheet) -> None:
    for fold in _FOLDS_MM:
        pdf.line(4, fold, 8, fold)
    pdf.set_font(_FAMILY, "B", 13)
    pdf.set_xy(_MM_LEFT, 20)
    pdf.cell(text=sheet.sender)
    pdf.set_font(_FAMILY, "", 10)
    for number, line in enumerate(sheet.address[:_LINES]):
        pdf.set_xy(_ADDRESS_AT[0], _ADDRESS_AT[1] + 5.5 * number)
        pdf.cell(w=85, text=line)
    pdf.set_xy(_MM_LEFT, 98)
    pdf.cell(w=0, align="R", text=sheet.date)


def _body(pdf: FPDF, sheet: Sheet) -> None:
    pdf.set_xy(_MM_LEFT, 112)
    pdf.set_font(_FAMILY, "B", 12)
    pdf.multi_cell(w=0, h=6.5, text=sheet.subject, align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.ln(4)
    pdf.set_font(_FAMILY, "", 10.5)
    for paragraph in sheet.paragraphs:
        pdf.multi_cell(w=0, h=5.8, text=paragraph, align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(3)
    if sheet.link:
        pdf.set_font(_FAMILY, "B", 10.5)
        pdf.multi_cell(w=0, h=5.8, text=sheet.link, align="L", new_x="LMARGIN", new_y="NEXT")


def _fonts() -> Path:
    """DejaVu as matplotlib ships it: complete for French, and free to embed."""
    spec = find_spec("matplotlib")
    assert spec is not None  # noqa: S101 - a dependency of ours
    assert spec.origin is not None  # noqa: S101 - so does a package have one
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
