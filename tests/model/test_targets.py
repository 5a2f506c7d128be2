from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from model.data.targets import Target, find_targets, find_unread_groups, read_targets
from model.errors import DataError

SAMPLE = [("a.jpg", "yes", ""), ("b.jpg", "no", "")]
GROUPED = [("a.jpg", "yes", "g1"), ("b.jpg", "no", "g2")]


def _read(path: Path, content: str | bytes) -> list[tuple[str, str, str]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(target.filename, target.label, target.group) for target in read_targets(path)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("filename,label\na.jpg,yes\nb.jpg,no\n", SAMPLE, id="header"),
        pytest.param("a.jpg,yes\nb.jpg,no\n", SAMPLE, id="no header"),
        pytest.param("a.jpg,yes,g1\nb.jpg,no,g2\n", GROUPED, id="no header, groups"),
        pytest.param("filename\tlabel\tgroup\na.jpg\tyes\tg1\nb.jpg\tno\tg2\n", GROUPED, id="tabs"),
        pytest.param("Group, Label ,FILENAME,site\ng1,yes,a.jpg,x\ng2,no,b.jpg,y\n", GROUPED, id="any order and case"),
        pytest.param("18\ta.jpg\tyes\n19\tb.jpg\tno\n", SAMPLE, id="the seeds' form"),
        pytest.param("18 a.jpg   yes\n19  b.jpg no\n", SAMPLE, id="the seeds' form with spaces"),
        pytest.param("index filename label\n18 a.jpg yes\n19 b.jpg no\n", SAMPLE, id="spaces and a header"),
        pytest.param("\ufefffilename,label\r\na.jpg,yes\r\nb.jpg,no\r\n", SAMPLE, id="BOM and CRLF"),
        pytest.param('"filename","label"\n"a.jpg","yes"\n"b.jpg","no"\n', SAMPLE, id="quotes"),
        pytest.param("filename;label\na.jpg;yes\nb.jpg;no\n", SAMPLE, id="semicolons"),
        pytest.param("\n\nfilename,label\n\na.jpg,yes\n , \nb.jpg,no", SAMPLE, id="blank lines"),
        pytest.param("filename,label\na.jpg,yes\nb.jpg,no\n".encode("utf-16"), SAMPLE, id="UTF-16 of Excel"),
        pytest.param('filename,label\n"a, b.jpg",yes\n', [("a, b.jpg", "yes", "")], id="comma in a name"),
        pytest.param(
            "filename\tlabel\nmy frame, 1.jpg\tyes\n", [("my frame, 1.jpg", "yes", "")], id="comma among tabs"
        ),
        pytest.param("filename,label\na.jpg,\n", [("a.jpg", "", "")], id="no label"),
        pytest.param(
            "filename,label,latitude,depth\na.jpg,yes,-62.1,1450\nb.jpg,no,-62.1,1450\n",
            SAMPLE,
            id="no groups of depths",
        ),
        pytest.param(",filename,label\n0,a.jpg,yes\n1,b.jpg,no\n", SAMPLE, id="the index of pandas"),
        pytest.param("patient_id,filename,label\ng1,a.jpg,yes\ng2,b.jpg,no\n", GROUPED, id="patients are groups"),
        pytest.param("filename,label,Patient ID\na.jpg,yes,g1\nb.jpg,no,g2\n", GROUPED, id="a name of two words"),
        pytest.param("File Path,label,dive-id\na.jpg,yes,g1\nb.jpg,no,g2\n", GROUPED, id="dives are groups"),
        pytest.param('"filename","label"\n"1","a.jpg","yes"\n"2","b.jpg","no"\n', SAMPLE, id="the row names of R"),
        pytest.param("filename label\n1 a.jpg yes\n2 b.jpg no\n", SAMPLE, id="the row names of R with spaces"),
        pytest.param("label,filename\nyes,a.jpg,\nno,b.jpg,\n", SAMPLE, id="a comma at the end of each row"),
        pytest.param("filename,label,video,group\na.jpg,yes,v,g1\nb.jpg,no,v,g2\n", GROUPED, id="group before video"),
        pytest.param("1 a.jpg yes g1\n2 b.jpg no g2\n", GROUPED, id="the seeds' form with groups"),
        pytest.param("a.HEIC,yes\nb.jpg,no\n", [("a.HEIC", "yes", ""), SAMPLE[1]], id="a picture that cannot be read"),
        pytest.param("filename,label,group\na.jpg,yes\n", [("a.jpg", "yes", "")], id="short row"),
        pytest.param(
            "filename,label\na.jpg,cafe\u0301\n", [("a.jpg", "caf\u00e9", "")], id="one class in both Unicode forms"
        ),
    ],
)
def test_read_targets_understands(tmp_path: Path, content: str | bytes, expected: list[tuple[str, str, str]]) -> None:
    assert _read(tmp_path / "targets.csv", content) == expected


def test_read_targets_counts_lines_for_messages(tmp_path: Path) -> None:
    path = tmp_path / "targets.csv"
    path.write_text("filename,label\n\na.jpg,yes\n")

    assert read_targets(path) == (Target(line=3, filename="a.jpg", label="yes"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("filename,label\n", "header and no rows", id="header only"),
        pytest.param("one,two\n1,2\n", "Line 1 of .* neither a header", id="no known column"),
        pytest.param("a.jpg\nb.jpg\n", "neither a header", id="names only"),
        pytest.param("a.jpg,yes,-62.1,1450\n", "has 4 columns and there is no header", id="columns without a name"),
        pytest.param(b"filename,label\na.jpg,caf\xe9\n", "not UTF-8 text .line 2.", id="Latin-1"),
        pytest.param("1 a.jpg yes\n2 my frame.jpg no\n", "Line 2 of .* has 4 words", id="ambiguous spaces"),
    ],
)
def test_read_targets_refuses(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _read(tmp_path / "targets.csv", content)


def test_read_targets_names_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv does not exist"):
        read_targets(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"targets.csv": "a.jpg,yes", "targets.tsv": "a.jpg\tyes"}, "targets.csv", id="csv before tsv"),
        pytest.param(
            {"targets.tsv": "a.jpg\tyes", "labels.csv": "filename,label\n"}, "targets.tsv", id="by name first"
        ),
        pytest.param({"labels.csv": "filename,label\na.jpg,yes"}, "labels.csv", id="the only one with a label column"),
        pytest.param(
            {"frames.tsv": "Label\tFilename\n", "sources.csv": "filename,url\n"}, "frames.tsv", id="beside others"
        ),
        pytest.param({"sources.csv": "filename,source_label\na.jpg,x"}, None, id="another table only"),
        pytest.param(
            {"broken.csv": b"\xff\xfe\x00", "notes.txt": "filename,label"}, None, id="unreadable, not a table"
        ),
        pytest.param({".targets.csv": "a.jpg,yes"}, None, id="hidden"),
    ],
)
def test_find_targets_chooses(tmp_path: Path, files: dict[str, str | bytes], expected: str | None) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    found = find_targets(tmp_path)

    assert (found.name if found else None) == expected


def test_find_targets_asks_when_two_tables_have_labels(tmp_path: Path) -> None:
    for name in ("first.csv", "second.csv"):
        (tmp_path / name).write_text("filename,label\na.jpg,yes\n")

    with pytest.raises(DataError, match=r"first\.csv, second\.csv") as raised:
        find_targets(tmp_path)

    assert "--targets" in raised.value.hint


@pytest.mark.parametrize(
    ("header", "values", "expected"),
    [
        pytest.param("filename,label,roll", "aabbcc", "roll", id="three rolls of film"),
        pytest.param("filename,label,roll", "abcdef", "", id="a value for each image"),
        pytest.param("filename,label,camera", "aabbaa", "", id="no more values than classes"),
        pytest.param("filename,label,dive", "aabbcc", "", id="read already"),
        pytest.param("filename,label,depth", ["1.5", "1.5", "2.5", "2.5", "3.5", "3.5"], "", id="measured"),
    ],
)
def test_find_unread_groups(tmp_path: Path, header: str, values: Sequence[str], expected: str) -> None:
    rows = [f"{number}.jpg,{'yes' if number % 2 else 'no'},{value}" for number, value in enumerate(values)]
    table = tmp_path / "targets.csv"
    table.write_text("\n".join([header, *rows]))

    assert find_unread_groups(table) == expected
