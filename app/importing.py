"""`prevenant import`: reads models of another system, writes rule files, and says what became of every part."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from domain.errors import SourceError
from rules.documents import raise_all
from rules.iot_events import Imported, import_file

COLUMNS = ("rule", "state", "differs", "when")


def import_models(
    files: Sequence[Path], *, out: Path, product: str | None, dry_run: bool, say: Callable[[str], object]
) -> int:
    """Read all, then write all: a mistake in one file leaves nothing written. Files that exist are not overwritten."""
    found: list[Imported] = []
    errors: list[SourceError] = []
    for file in files:
        try:
            found += import_file(file, product=product)
        except SourceError as exc:
            errors.append(exc)
    raise_all(errors)
    paths = [out / imported.file_name for imported in found]
    _check_free(paths)
    for imported, path in zip(found, paths, strict=True):
        say(f"{imported.model} -> {path}")
        say(_table(imported))
        for note in imported.notes:
            say(f"  {note.weight}: {note.path}: {note.reason}")
    if dry_run:
        say("only looked: nothing was written")
        return 0
    out.mkdir(parents=True, exist_ok=True)
    for imported, path in zip(found, paths, strict=True):
        path.write_text(imported.text, encoding="utf-8")
    say(_summary(found))
    return 0


def _check_free(paths: Sequence[Path]) -> None:
    for index, path in enumerate(paths):
        if path.exists():
            raise SourceError(
                "is there already", cure="move it away, or choose another folder with --out", file=str(path)
            )
        if path in paths[:index]:
            raise SourceError("two models have this name", cure="import them into different folders", file=str(path))


def _table(imported: Imported) -> str:
    table = Table(box=None, pad_edge=True)
    for name in COLUMNS:
        table.add_column(name, overflow="fold")
    for each in imported.outcomes:
        table.add_row(each.name, each.state or "alarm", str(each.differs or "–"), each.refused or each.when)
    console = Console(file=io.StringIO(), highlight=False, width=160)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip()


def _summary(found: Sequence[Imported]) -> str:
    outcomes = [each for imported in found for each in imported.outcomes]
    written = [each for each in outcomes if not each.refused]
    exact = sum(not each.differs for each in written)
    return (
        f"{len(written)} rules in {len(found)} files, all stage: draft; {exact} say the same as the model, "
        f"{len(written) - exact} with differences named, {len(outcomes) - len(written)} states are not expressed"
    )
