"""Every row of docs/errors.md, played on the local cloud through the command line as a reader of the page would.

The page is the table of cases: a row says which faults to add, what to type, what `deployer` then says and how it ends.
`make test` plays a sample, `make test-faults` all. One project folder and one network serve them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import pytest
from error_table import PAGE, Row, matches, rows
from rehearsal import Rehearsal

from deployer import placement
from deployer.aws import translation

ROWS = {row.id: row for row in rows()}

# Played by `make test` too: one for each way in which a failure is met. Those of `check` take a second or two,
# the one of `up` half a minute.
SAMPLE = frozenset(
    {
        "AccessDeniedException-Cloud9-is-closed-to-this-account",
        "AccessDeniedException-of-Service-Quotas",
        "AuthFailure-the-region-is-not-enabled",
        "ExpiredToken",
        "VpcLimitExceeded",
        "the-images-are-in-another-region",
        "the-vCPU-quota-is-0",
    }
)


def _put_images_in_europe(rehearsal: Rehearsal) -> None:
    s3 = rehearsal.aws("s3", "eu-west-1")
    s3.create_bucket(Bucket="pictures-eu", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="pictures-eu", Key="seafloor/frame.jpg", Body=b"a picture")


# What a row needs beside faults and settings.
ARRANGE: Mapping[str, Callable[[Rehearsal], None]] = {"the-images-are-in-another-region": _put_images_in_europe}

# "- like `A`: `B`, `C`": what is said of A holds for B and C.
ALIKE = [
    (code, like)
    for like, codes in re.findall(r"^- like `(\w+)`:((?:.*\n)(?:  .*\n)*)", PAGE.read_text(), re.MULTILINE)
    for code in re.findall(r"`(\w+)`", codes)
]

# How often a launch may be tried, by what the row says of the next candidate; 0 where the network fails before it.
LAUNCHES = {"yes": range(2, 100), "no": range(2), "other families": range(2), "the same again": range(2, 100)}

READING = re.compile(r"(Describe|Get|List|Head)\w+")


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    made = Rehearsal(tmp_path_factory.mktemp("my project"))
    yield made
    made.end()


def _marked(row: Row) -> object:
    slow = () if row.id in SAMPLE else (pytest.mark.slow,)
    return pytest.param(row, id=row.id, marks=(pytest.mark.faults, *slow))


@pytest.mark.parametrize("row", [_marked(row) for row in ROWS.values()])
def test_row_of_the_error_table_is_true(rehearsal: Rehearsal, row: Row) -> None:
    ARRANGE.get(row.id, lambda _: None)(rehearsal)

    played = rehearsal.play(row)

    text = played.answer.text
    assert played.answer.code == row.exit_code, text
    for phrase in row.says + row.does:
        assert matches(phrase, text), f"“{phrase}” is not in\n{text}"
    launches = played.requests.count("RunInstances")
    if row.launches:
        assert launches in LAUNCHES[row.next_candidate]
    else:
        assert [name for name in played.requests if not READING.fullmatch(name)] == []
    assert rehearsal.machines() == []


def test_page_has_every_code_that_the_program_knows() -> None:
    known = set(placement.CANDIDATE_CODES)
    known |= {code for name, codes in vars(translation).items() if name.endswith("_CODES") for code in codes}
    page = PAGE.read_text()

    assert sorted(code for code in known if f"`{code}`" not in page) == []


@pytest.mark.parametrize(("code", "like"), ALIKE)
def test_code_is_met_like_another(code: str, like: str) -> None:
    where = {"instance_type": "g5.xlarge", "spot": False, "region": "us-east-1", "zone": "us-east-1a"}
    met, other = (translation.launch_error(name, f"{name}: Because.", **where) for name in (code, like))

    assert type(met) is type(other)
    assert (code in placement.CANDIDATE_CODES) == (like in placement.CANDIDATE_CODES)


def test_rows_are_complete_and_told_apart() -> None:
    assert len(ROWS) == len(rows()) > 30
    assert SAMPLE | set(ARRANGE) <= set(ROWS)
    for row in ROWS.values():
        assert row.says, f"{row.title}: what does the program say?"
        assert row.next_candidate in {*LAUNCHES, "—"}, row.title
