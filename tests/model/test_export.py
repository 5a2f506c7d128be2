"""`python -m model.export`, and `predict` with what it wrote: graphs of a small network on pictures that are drawn."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import DrawImage
from numpy.typing import NDArray

from model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from model.console import run
from model.data.images import Pixels, decode_images
from model.errors import CheckpointError, DataError, ModelError, NetworkError, UsageError
from model.export import export
from model.exporting import graph as graphs
from model.exporting.agreement import compare, draw_pictures
from model.exporting.config import parse_export_arguments
from model.exporting.gate import pass_gate
from model.exporting.graph import build_graph
from model.exporting.pictures import Pictures, find_pictures
from model.exporting.quantization import Recipe
from model.inference.classifier import Classifier
from model.inference.onnx import OnnxClassifier, seal
from model.networks.catalogue import build_network
from model.networks.heads import find_head
from model.predict import main as predict_main
from model.prediction.engine import open_engine

pytest.importorskip("onnxscript")

ROOT = Path(__file__).parents[2]
CLASSES = ("blue", "red")
SIDE = 37


def make_checkpoint(arch: str = "cnn", *, networks: int = 1, size: int = 32, **changes: Any) -> Checkpoint:
    """Return networks as chance made them, whose answers are further apart than those of such networks are."""
    torch.manual_seed(0)
    states = []
    for _ in range(networks):
        network = build_network(arch, class_count=2, image_size=size)
        with torch.no_grad():
            find_head(network).get_parameter("weight").mul_(20.0)
        states.append(network.state_dict())
    values: dict[str, Any] = {
        "arch": arch,
        "classes": CLASSES,
        "image_size": size,
        "decode_size": SIDE if size == 32 else size,
        "mean": (120.0, 65.0, 120.0),
        "std": (80.0, 30.0, 70.0),
        "states": tuple(states),
        "temperature": 0.3,
    }
    return Checkpoint(**(values | changes))


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    """Nine pictures from dark to light."""
    (drawn,) = draw_pictures(SIDE, number=9)
    return (drawn * np.linspace(0.1, 1.0, 9).reshape(-1, 1, 1, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, pixels: Pixels) -> Path:
    """The results of a training of two networks with four views, and their export; nobody may change them."""
    folder = tmp_path_factory.mktemp("results")
    save_checkpoint(folder / "model.pt", make_checkpoint(networks=2, tta="crops"))
    export(parse_export_arguments([str(folder)]))
    return folder


@pytest.fixture
def photos(tmp_path: Path, draw_image: DrawImage) -> Path:
    """30 pictures of each class, and a table that says the last ten of each were not learnt from."""
    rows = []
    for label in CLASSES:
        for number in range(30):
            name = f"{label}/{number:02d}.png"
            draw_image(tmp_path / "photos" / name, label, seed=number)
            rows += [{"filename": name, "split": "test" if number % 2 else "validation"}] if number >= 20 else []
    with (tmp_path / "predictions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["filename", "split"])
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path / "photos"


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "model.pt", make_checkpoint())
    return tmp_path / "model.pt"


def _open(path: Path) -> OnnxClassifier:
    return OnnxClassifier(path.read_bytes(), name=str(path))


@pytest.mark.parametrize("count", [0, 1, 9])
def test_export_answers_as_the_model_does(results: Path, pixels: Pixels, count: int) -> None:
    checkpoint = load_checkpoint(results / "model.pt")
    expected = Classifier(checkpoint, device="cpu").classify(pixels[:count])

    found = _open(results / "model.onnx").classify(pixels[:count])

    assert found.shape == (count, 2)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert count < 9 or np.ptp(expected[:, 0]) > 0.03


def test_export_says_what_it_is(results: Path) -> None:
    told = json.loads((results / "model.onnx.json").read_text())
    classifier = _open(results / "model.onnx")

    assert {name: told[name] for name in classifier.description} == classifier.description
    assert classifier.classes == CLASSES
    assert classifier.decode_size == SIDE
    assert told["input"]["shape"] == ["batch", SIDE, SIDE, 3]
    assert (told["inside"]["views"], told["inside"]["networks"], told["inside"]["temperature"]) == ("crops", 2, 0.3)
    assert told["agreement"]["kind"] == "made-up pictures"
    assert told["agreement"]["largest_difference"] <= told["agreement"]["tolerance"]
    assert sorted(path.name for path in results.iterdir()) == ["model.onnx", "model.onnx.json", "model.pt"]


def test_export_compares_and_calibrates_on_real_pictures(
    model_file: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(parse_export_arguments([str(model_file), "--int8", "--data", str(photos), "--output", str(tmp_path / "o")]))

    told = json.loads((tmp_path / "o" / "model.int8.onnx.json").read_text())
    assert (told["int8"]["calibrating"], told["int8"]["pictures"]) == (40, 20)
    assert told["int8"]["lost_points"] <= 0.5
    assert told["inside"]["precision"] == "int8"
    whole, small = tmp_path / "o" / "model.onnx", tmp_path / "o" / "model.int8.onnx"
    assert small.stat().st_size < 0.5 * whole.stat().st_size
    decoded = decode_images(sorted(photos.rglob("*.png")), SIDE).pixels
    np.testing.assert_allclose(_open(small).classify(decoded), _open(whole).classify(decoded), atol=0.2)
    said = capsys.readouterr().out
    assert "20 pictures that the training did not learn from: 20 answers are the same" in said
    assert "int8: accuracy " in said


class _Fixed:
    """Answers with the same probabilities whatever it is asked."""

    decode_size = SIDE

    def __init__(self, *shares: float) -> None:
        self._shares = shares

    def classify(self, pixels: Pixels) -> NDArray[np.float64]:
        return np.tile(np.array(self._shares), (len(pixels), 1))


@pytest.fixture
def blue_pictures(model_file: Path, photos: Path) -> Pictures:
    """What to examine with is blue, all ten."""
    found = find_pictures(parse_export_arguments([str(model_file), "--data", str(photos)]), make_checkpoint())
    assert found is not None
    return replace(found, examining=tuple(sample for sample in found.examining if sample.label == "blue"))


def test_gate_refuses_int8_that_loses_too_much(blue_pictures: Pictures) -> None:
    tried: list[Recipe] = []

    def quantize(recipe: Recipe) -> tuple[bytes, Any]:
        tried.append(recipe)
        return b"", _Fixed(0.4, 0.6)

    with pytest.raises(ModelError, match=r"0\.0000 instead of 1\.0000 on 10 pictures, 100\.00 points lost") as refusal:
        pass_gate(blue_pictures, _Fixed(0.9, 0.1), quantize)

    assert refusal.value.exit_code == 1
    assert len(tried) == 3


def test_gate_takes_the_first_recipe_that_passes(blue_pictures: Pictures) -> None:
    answers = iter([_Fixed(0.0, 1.0), _Fixed(0.9, 0.1)])

    def quantize(recipe: Recipe) -> tuple[bytes, Any]:
        return recipe.words.encode(), next(answers)

    content, told = pass_gate(blue_pictures, _Fixed(1.0, 0.0), quantize)

    assert told["recipe"] == content.decode() == "ranges averaged over the pictures"
    assert (told["lost_points"], told["same_answers"]) == (0.0, 10)


@pytest.mark.parametrize("other", [_Fixed(0.5, 0.5), _Fixed(float("nan"), 1.0)])
def test_compare_refuses_a_graph_that_answers_otherwise(other: _Fixed) -> None:
    with pytest.raises(ModelError, match="answers otherwise than the model"):
        compare("made-up pictures", draw_pictures(SIDE), _Fixed(0.49, 0.51), other)


@pytest.mark.parametrize(
    ("wild", "answer", "refusal"), [(1, 0.22, ""), (3, 0.22, "on 3 of 40 pictures"), (1, 0.15, "on 1 of 40 pictures")]
)
def test_compare_bears_with_rounding_that_few_pictures_make_much_of(wild: int, answer: float, refusal: str) -> None:
    class Other:
        decode_size = SIDE

        def classify(self, pixels: Pixels) -> NDArray[np.float64]:
            answers = np.tile([0.3, 0.7], (len(pixels), 1))
            answers[:wild] = [answer, 1.0 - answer]
            return answers

    expectation = pytest.raises(ModelError, match=refusal) if refusal else nullcontext()
    with expectation:
        compare("pictures", draw_pictures(SIDE, number=40), _Fixed(0.3, 0.7), Other())


def test_export_tells_of_an_int8_export_of_another_model(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model_file.with_name("model.int8.onnx").write_bytes(b"of last week")

    export(parse_export_arguments([str(model_file)]))

    assert "model.int8.onnx is not of this model.pt: write it anew with --int8" in capsys.readouterr().err

    told = {"source": {"sha256": hashlib.sha256(model_file.read_bytes()).hexdigest()}}
    model_file.with_name("model.int8.onnx.json").write_text(json.dumps(told))
    export(parse_export_arguments([str(model_file)]))

    assert "int8" not in capsys.readouterr().err


def test_find_pictures_keeps_what_was_learnt_from_what_was_not(model_file: Path, photos: Path) -> None:
    pictures = find_pictures(parse_export_arguments([str(model_file), "--data", str(photos)]), make_checkpoint())

    assert pictures is not None
    assert {int(sample.path.name[:2]) >= 20 for sample in pictures.examining} == {True}
    assert {int(sample.path.name[:2]) >= 20 for sample in pictures.calibrating} == {False}
    assert not pictures.note


def test_find_pictures_draws_anew_where_nothing_is_known(
    model_file: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model_file.with_name("predictions.csv").unlink()

    pictures = find_pictures(parse_export_arguments([str(model_file), "--data", str(photos)]), make_checkpoint())

    assert pictures is not None
    assert not {sample.name for sample in pictures.examining} & {sample.name for sample in pictures.calibrating}
    assert len(pictures.examining) + len(pictures.calibrating) == 60
    assert "is not known" in pictures.note
    assert "is not known" in capsys.readouterr().err


def test_find_pictures_looks_where_the_training_looked(model_file: Path, photos: Path) -> None:
    config = parse_export_arguments([str(model_file)])
    assert find_pictures(config, make_checkpoint()) is None

    model_file.with_name("metrics.json").write_text(json.dumps({"recipe": {"data": str(photos)}}))

    assert find_pictures(config, make_checkpoint()) is not None


def test_export_refuses_images_of_other_classes(model_file: Path, photos: Path) -> None:
    (photos / "red").rename(photos / "squid")

    with pytest.raises(DataError, match="does not know the class 'squid'"):
        export(parse_export_arguments([str(model_file), "--data", str(photos)]))


def test_export_refuses_int8_without_pictures(model_file: Path) -> None:
    with pytest.raises(UsageError, match="--int8 is calibrated on the training's images"):
        export(parse_export_arguments([str(model_file), "--int8"]))

    assert not model_file.with_suffix(".onnx").exists()


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["gone"], CheckpointError, "no model in gone"),
        (["model.onnx"], UsageError, "an export already"),
        (["model.pt", "--output", "model.pt"], UsageError, "is a file"),
        (["model.pt", "--group-from", "("], UsageError, "--group-from"),
    ],
)
def test_parse_export_arguments_refuses(
    model_file: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(model_file.parent)

    with pytest.raises(error, match=message):
        parse_export_arguments(words)


def test_build_graph_refuses_what_an_onnx_file_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two gigabytes of weights would take the tests' memory.
    monkeypatch.setattr(graphs, "MAX_BYTES", 1_000_000)

    with pytest.raises(NetworkError, match=r"1 network of cnn are .* GB"):
        build_graph(make_checkpoint())


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip_a_bit(content: bytes) -> bytes:
    place = len(content) // 2  # in the midst of a weight
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def _change_a_class(content: bytes) -> bytes:
    return content.replace(b'["blue", "red"]', b'["red", "blue"]')


def _raise_the_format(content: bytes) -> bytes:
    place = content.rfind(b"model.export", 0, content.rfind(b"classes")) + len(b"model.export") + 2
    return seal(content[:place] + b"9" + content[place + 1 :])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"", "is damaged"),
        (lambda _: b"not a model", "is damaged"),
        (_cut, "is damaged"),
        (_flip_a_bit, "its checksum is wrong"),
        (_change_a_class, "its checksum is wrong"),
        (_raise_the_format, "another version"),
    ],
    ids=["empty", "text", "truncated", "flipped", "changed", "newer"],
)
def test_onnx_classifier_refuses_damage(results: Path, damage: Any, message: str) -> None:
    content = damage((results / "model.onnx").read_bytes())

    with pytest.raises(CheckpointError, match=rf"photos\.onnx.*{message}"):
        OnnxClassifier(content, name="photos.onnx")


def test_onnx_classifier_refuses_what_others_wrote() -> None:
    from onnx import TensorProto, helper

    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 8, 8, 3])
    answers = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None)
    cast = helper.make_node("Cast", ["images"], ["probabilities"], to=TensorProto.FLOAT)
    graph = helper.make_graph([cast], "of somebody else", [images], [answers])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()

    with pytest.raises(CheckpointError, match=r"other\.onnx was not written by python -m model\.export"):
        OnnxClassifier(content, name="other.onnx")


def _predict(*words: str) -> list[dict[str, str]]:
    sys.argv[1:] = [*words, "--device=cpu"]
    assert run(predict_main) == 0
    with Path(words[words.index("--output") + 1]).open(newline="") as file:
        return list(csv.DictReader(file))


def test_predict_gives_the_same_table_with_either(
    results: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["predict"])
    tables = [
        _predict(str(photos), "--model", str(results / name), "--output", str(tmp_path / f"{name}.csv"), *more)
        for name, more in (("model.pt", ["--engine=torch"]), ("model.onnx", []), ("model.pt", ["--engine=onnx"]))
    ]

    assert len(tables[0]) == 60
    for by_torch, *others in zip(*tables, strict=True):
        for other in others:
            assert other["filename"] == by_torch["filename"]
            assert float(other["p_red"]) == pytest.approx(float(by_torch["p_red"]), abs=2e-3)


def test_predict_with_an_export_imports_no_pytorch(results: Path, photos: Path) -> None:
    picture = str(photos / "red" / "00.png")
    script = (
        "import sys; from model.predict import main; main();"
        "print(sorted({'torch', 'torchvision', 'onnx'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, "--model", str(results / "model.onnx"), picture]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.startswith("00.png: ")
    assert done.stdout.endswith("[]\n")
    assert done.stderr == ""


def test_engine_takes_the_export_of_this_very_model_only(results: Path, tmp_path: Path) -> None:
    content = (results / "model.pt").read_bytes()
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.pt").write_bytes(content)
        (tmp_path / name / "model.onnx").write_bytes((results / "model.onnx").read_bytes())
    save_checkpoint(tmp_path / "other" / "model.pt", make_checkpoint(temperature=3.0))

    own = open_engine(tmp_path / "own" / "model.pt", [], engine="auto", device="cpu")
    other = open_engine(tmp_path / "other" / "model.pt", [], engine="auto", device="cpu")
    by_torch = open_engine(tmp_path / "own" / "model.pt", [], engine="torch", device="cpu")

    assert isinstance(own.classifier, OnnxClassifier)
    assert isinstance(other.classifier, Classifier)
    assert isinstance(by_torch.classifier, Classifier)
    assert own.digest == by_torch.digest  # a table that one began, the other goes on with


def test_engine_goes_on_without_a_damaged_export(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.pt").write_bytes((results / "model.pt").read_bytes())
    (tmp_path / "model.onnx").write_bytes(_flip_a_bit((results / "model.onnx").read_bytes()))

    engine = open_engine(tmp_path / "model.pt", [], engine="auto", device="cpu")

    assert isinstance(engine.classifier, Classifier)
    assert "its checksum is wrong. Going on with model.pt" in capsys.readouterr().err


def test_engine_exports_a_model_once_when_that_is_asked_for(
    model_file: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = sorted(photos.rglob("*.png"))

    for _ in range(2):
        engine = open_engine(model_file, pictures, engine="onnx", device="cpu")
        assert isinstance(engine.classifier, OnnxClassifier)

    assert capsys.readouterr().out.count("exporting model.pt") == 1
    told = json.loads(model_file.with_name("model.onnx.json").read_text())
    assert told["agreement"]["kind"] == "pictures to classify"
    assert told["agreement"]["pictures"] == 30


@pytest.mark.parametrize(
    ("engine", "device", "message"),
    [("torch", "cpu", "which PyTorch does not run"), ("auto", "cuda", "which runs on a CPU here")],
)
def test_engine_refuses_what_an_export_cannot(results: Path, engine: str, device: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_engine(results / "model.onnx", [], engine=engine, device=device)


def test_the_example_of_the_document_needs_nothing_of_ours(
    results: Path, tmp_path: Path, draw_image: DrawImage, capsys: pytest.CaptureFixture[str]
) -> None:
    example = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "example.py").write_text(example.group(1))
    (tmp_path / "model.onnx").write_bytes((results / "model.onnx").read_bytes())
    picture = draw_image(tmp_path / "picture.png", "red", size=(200, 150))
    script = (
        "import runpy, sys; sys.modules.update(model=None, torch=None); sys.argv[0] = 'example.py';"
        "runpy.run_path('example.py')"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(picture)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    expected = _open(results / "model.onnx").classify(decode_images([picture], SIDE).pixels)[0]
    shown = {name: float(share) for share, name in (line.split() for line in done.stdout.splitlines())}
    assert shown == pytest.approx(dict(zip(CLASSES, expected, strict=True)), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "size"),
    [
        *(("small_resnet", 64), ("resnet18", 64), ("resnet50", 64), ("vgg16", 64), ("inception_v3", 96)),
        *(("efficientnet_b0", 64), ("convnext_tiny", 64), ("vit_b_16", 32), ("mobilenet_v3", 64)),
    ],
)
def test_every_kind_of_network_exports(arch: str, size: int) -> None:
    checkpoint = make_checkpoint(arch, size=size, temperature=1.0)
    from model.exporting.making import make_export

    made = make_export(checkpoint, source="0", kind="made-up pictures", batches=draw_pictures(size, number=4))

    assert made.agreement.same_answers == 4
