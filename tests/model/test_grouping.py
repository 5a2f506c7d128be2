from __future__ import annotations

import unicodedata

import pytest

from model.data.grouping import parse_groups, suggest_groups
from model.errors import DataError

FRAMES = [
    "56321614_EX1708_VID_20170926T212000Z_ROVHD.mp4_1378.png",
    "56321614_EX1708_VID_20170926T212000Z_ROVHD.mp4_2247.png",
    "56321615_EX1708_VID_20170926T200000Z_ROVHD.mp4_539.png",
]
X_RAYS = ["BACTERIA-1004423-0001.jpeg", "VIRUS-1004423-0002.jpeg", "NORMAL-1813488-0001.jpeg"]


@pytest.mark.parametrize(
    ("pattern", "names", "groups"),
    [
        pytest.param(
            r"(.*)\.mp4_\d+",
            FRAMES,
            ["56321614_EX1708_VID_20170926T212000Z_ROVHD"] * 2 + ["56321615_EX1708_VID_20170926T200000Z_ROVHD"],
            id="dives",
        ),
        pytest.param(r"[A-Z]+-(\d+)-\d+", X_RAYS, ["1004423", "1004423", "1813488"], id="one patient, two labels"),
        pytest.param(r"_(EX\d+)_VID_(\d{8})", FRAMES, ["EX1708/20170926"] * 3, id="several brackets"),
        pytest.param(
            r"(.*)\.mp4_\d+",
            ["interesting/a.mp4_1.png", "other/a.mp4_2.png", "other\\b.mp4_2.png"],
            ["a", "a", "b"],
            id="folders do not part a dive",
        ),
        pytest.param(r"(dive\d+)/", ["dive1/x.png", "dive1/y.png", "dive2/x.png"], ["dive1", "dive1", "dive2"], id="/"),
        pytest.param(r"(a)|(b)", ["xa.png", "xb.png", "xc.png"], ["a", "b", ""], id="brackets that match nothing"),
        pytest.param(
            r"(.*)_\d",
            [unicodedata.normalize(form, "caf\u00e9_1.png") for form in ("NFC", "NFD")],
            ["café"] * 2,
            id="é",
        ),
    ],
)
def test_groups_are_what_the_brackets_match(pattern: str, names: list[str], groups: list[str]) -> None:
    assert parse_groups(names, pattern) == groups


def test_a_pattern_that_matches_no_name_is_an_error_that_shows_one() -> None:
    with pytest.raises(
        DataError, match=r"'\(\.\*\)\\\.mp4_\\d\+' matches none of 3 names, such as 'BACTERIA-1004423-0001\.jpeg'"
    ) as raised:
        parse_groups(X_RAYS, r"(.*)\.mp4_\d+")

    assert r"--group-from '[A-Z]+-(\d+)-\d+'" in raised.value.hint


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        pytest.param(FRAMES, r"(.*)\.mp4_\d+", id="frames"),
        pytest.param([f"x/{name}" for name in FRAMES], r"(.*)\.mp4_\d+", id="frames in folders"),
        pytest.param(
            ["a.mp4_1.png", "a.mp4_2.png", "b.MOV_1.png"], r"(.*)\.(?:MOV|mp4)_\d+", id="frames of two cameras"
        ),
        pytest.param(X_RAYS, r"[A-Z]+-(\d+)-\d+", id="patients"),
        pytest.param(["IMG_1_r0c1.jpg", "IMG_1_r1c1.jpg", "IMG_2_r0c1.jpg"], r"(.+)_r\d+c\d+", id="tiles"),
        pytest.param(
            ["person1_virus_6.jpeg", "person1_virus_7.jpeg", "NORMAL2-IM-0115-0001.jpeg"],
            r"(person\d+|IM-\d+)",
            id="persons",
        ),
        pytest.param(
            ["PNEUMONIA/person1_virus_6.jpeg", "PNEUMONIA/person1_virus_7.jpeg", *["NORMAL/IM-0115-0001.jpeg"] * 2],
            r"(person\d+|IM-\d+)",
            id="persons, as many as would be labels",
        ),
        pytest.param([f"{label}/dive{k}/0.png" for label in "ab" for k in range(3)], "/(.+)/", id="inner folders"),
        pytest.param([f"{label}/{half}/0.png" for label in "ab" for half in "cd"], None, id="two inner folders"),
        pytest.param([f"train/{label}/{k}.png" for label in "abc" for k in range(3)], None, id="folders of splits"),
        pytest.param(["red_00.png", "red_01.png", "blue_00.png"], None, id="numbers only"),
        pytest.param(["a.mp4_1.png", "b.png", "c.png", "d.png", "e.png"], None, id="one frame among others"),
        pytest.param(["a.mp4_1.png", "b.mp4_1.png", "c.mp4_1.png"], None, id="one frame of each video"),
        pytest.param(["a.mp4_1.png", "a.mp4_2.png"], r"(.*)\.mp4_\d+", id="one video"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_a_pattern_is_suggested_for_names_that_tell_of_groups(names: list[str], pattern: str | None) -> None:
    suggestion = suggest_groups(names)

    assert (suggestion.pattern if suggestion else None) == pattern


@pytest.mark.parametrize("names", [FRAMES, X_RAYS, ["a.mp4_1.png", "a.mp4_2.png", "b.MOV_1.png"]])
def test_a_suggested_pattern_groups_the_names(names: list[str]) -> None:
    suggestion = suggest_groups(names)

    assert suggestion is not None
    assert len(set(parse_groups(names, suggestion.pattern))) == 2
