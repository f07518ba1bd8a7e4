"""`--explain` names the nearest miss: how far a value stayed from its limit, how short a stretch was, what was NULL."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.backtest import prepare, run
from rules.documents import read_documents
from rules.explain import explain
from rules.loader import rules_from
from rules.vocabulary import Vocabulary

READINGS = (
    "device_id,ts,temp,p,q,rare\na,0,95,2,6,\na,60000,96,3,7,\na,120000,1,0.5,9,\nb,0,50,2,6,2.5\nb,1000,50,2,6,\n"
)
FLEET = "device_id,product,region,model\na,x,US,X1\nb,y,EU,\n"
NEVER = "`when` was never TRUE: FALSE on 5 and UNKNOWN on 0 of 5 samples"
APART = "each part was TRUE on some samples, but never all that it takes at once"
DRAFT = "its stage is draft: the back-test evaluates it all the same, the engine would not"
SAYINGS = {
    "a value that stayed away": (
        "when: temp > 200 OR NOT q >= 5",
        [
            NEVER,
            "`temp > 200` was never TRUE: nearest was temp = 96 against 200 (device a, 1970-01-01T00:01:00Z)",
            "`q < 5` was never TRUE: nearest was q = 6 against 5 (device a, 1970-01-01T00:00:00Z)",
        ],
    ),
    "parts that never met": (
        "when: temp > 95 AND p < 1",
        [NEVER, f"{APART}: `temp > 95` on 1, `p < 1` on 1"],
    ),
    "a stretch too short": (
        "when: temp > 90\nfor: 1h",
        [
            (
                "`when` was TRUE on 2 of 5 samples, at the longest for 1m without a FALSE one (device a from "
                "1970-01-01T00:00:00Z), and `for` asks for 1h: 59m short"
            )
        ],
    ),
    "devices it is not for": (
        "when: temp > 200\napplies_to: region = 'EU' AND model IS NOT NULL",
        [
            "it applies to none of the 2 devices (applies_to: region = 'EU' AND model IS NOT NULL)",
            "it does not apply to 2 of 2 devices: a (region is 'US'), b (model is not set)",
        ],
    ),
    "another product": (
        "product: x\nwhen: temp > 200",
        [
            "it does not apply to 1 of 2 devices: b (product is y, not x)",
            "`when` was never TRUE: FALSE on 3 and UNKNOWN on 0 of 3 samples",
            "`temp > 200` was never TRUE: nearest was temp = 96 against 200 (device a, 1970-01-01T00:01:00Z)",
        ],
    ),
    "too few of the last": (
        "when: temp > 90\ncount: {n: 3, of: 4}",
        ["`when` was TRUE on 2 of 5 samples, but `count` asks for 3 of 4 samples in a row"],
    ),
    "a name that was often NULL": (
        "when: rare > 3 AND temp > 0",
        [
            (
                "rare was NULL on 3 of 5 samples (60 %), where its last reading was older than join_within 5m, "
                "or had not come yet"
            ),
            "`when` was never TRUE: FALSE on 2 and UNKNOWN on 3 of 5 samples",
            "`rare > 3` was never TRUE: nearest was rare = 2.5 against 3 (device b, 1970-01-01T00:00:00Z)",
        ],
    ),
    "a draft": ("when: p < 0\nstage: draft", [DRAFT]),
    "a retired one": ("when: p < 0\nstage: retired", ["its stage is retired, so it was not evaluated"]),
}  # fmt: skip


def said(folder: Path, rule: str, readings: str = READINGS, fleet: str = FLEET) -> list[str]:
    for name, text in (("r.yaml", f"kind: rule\nname: r\n{rule}\n"), ("d.csv", readings), ("f.csv", fleet)):
        (folder / name).write_text(text)
    trial = prepare(folder / "r.yaml", folder / "d.csv", folder / "f.csv")
    return explain(trial, run(trial, tally=True)).get("r", [])


@pytest.mark.parametrize("case", SAYINGS)
def test_the_nearest_miss_is_named(tmp_path: Path, case: str) -> None:
    rule, wanted = SAYINGS[case]
    found = said(tmp_path, rule)
    if case == "a draft":
        assert found[-1:] == wanted
    else:
        assert found == wanted


@pytest.mark.parametrize("when", ["1 > 2 AND temp > 0", "temp > NULLIF(1, 1)", "temp / 0 > 1"])
def test_what_can_never_be_true_is_explained_too(tmp_path: Path, when: str) -> None:
    found = said(tmp_path, f"when: {when}\nmissing: ok")
    assert any("never TRUE" in sentence for sentence in found)


def test_late_samples_are_owned_up_to(tmp_path: Path) -> None:
    readings = "device_id,ts,temp\na,60000,1\na,0,300\n"
    assert said(tmp_path, "when: temp > 200", readings)[-1] == (
        "1 sample of the file came later than `lateness` 0s allows and changed nothing"
    )


@given(values=st.lists(st.integers(-50, 99), min_size=1, max_size=20), rows=st.integers(1, 7))
def test_the_closest_approach_is_the_largest_value_however_the_file_is_cut(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], rows: int
) -> None:
    folder = tmp_path_factory.mktemp("near")
    (folder / "r.yaml").write_text("kind: rule\nname: r\nwhen: temp > 100\n")
    (folder / "d.csv").write_text("ts,temp\n" + "".join(f"{60_000 * at},{v}\n" for at, v in enumerate(values)))
    rules = rules_from(read_documents(folder / "r.yaml"), Vocabulary(closed=False))
    trial = prepare(rules, folder / "d.csv")
    outcome = run(trial, rows_per_batch=rows, tally=True)
    assert f"nearest was temp = {max(values)} against 100" in " ".join(explain(trial, outcome)["r"])
