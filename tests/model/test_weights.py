from __future__ import annotations

import hashlib
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import torch
from moto.server import ThreadedMotoServer
from torch import nn
from torchvision import models
from torchvision.models.densenet import DenseNet
from torchvision.models.vision_transformer import VisionTransformer
from training_runs import configure, train

from model.errors import NetworkError, SaveError, UsageError
from model.networks import weights
from model.networks.catalogue import build_network
from model.networks.stores import UnreachableError, download
from model.networks.weights import Pretrained, find_pretrained, load_pretrained
from model.training.randomness import derive_seed

ARCH = "shufflenet_v2_x0_5"
STEM = "shufflenetv2_x0.5"
DEFAULT = f"{STEM}-f707e7126e.pth"


class _Malicious:
    """A pickle that writes a file when it is read without care."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self._path), "w"))


def _save(content: object, folder: Path, *, stem: str = STEM) -> Path:
    """Write a file named as torchvision names its own: with the beginning of its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(content, folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()
    return (folder / "new.pth").rename(folder / f"{stem}-{digest[:8]}.pth")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torchvision's, with random weights: the real one is not at hand where the tests run."""
    torch.manual_seed(1)
    return _save(models.get_model(ARCH, weights=None).state_dict(), tmp_path_factory.mktemp("published"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PyTorch's cache, empty; and a proxy that is not there, so that no test reaches the hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def hub(published: Path) -> Iterator[str]:
    """The address of a server with the published file."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with _serve(partial(Quiet, directory=str(published.parent))) as address:
        yield f"{address}/{published.name}"


@contextmanager
def _serve(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_pretrained_weights_fill_all_but_the_head(published: Path) -> None:
    network = build_network(ARCH, class_count=3, image_size=64)
    head = network.get_parameter("fc.weight").clone()

    found = find_pretrained(ARCH, where=str(published.parent))
    load_pretrained(network, found, image_size=64)

    expected = torch.load(published, weights_only=True)
    loaded = network.state_dict()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected if not name.startswith("fc."))
    assert torch.equal(loaded["fc.weight"], head)
    assert found.mean == pytest.approx((123.675, 116.28, 103.53))
    assert found.std == pytest.approx((58.395, 57.12, 57.375))


@pytest.mark.parametrize("damage", ["truncated", "altered", "foreign"])
@pytest.mark.parametrize("place", ["folder", "cache"])
def test_find_pretrained_refuses_a_file_that_is_not_what_its_name_says(
    published: Path, tmp_path: Path, cache: Path, damage: str, place: str
) -> None:
    folder = cache if place == "cache" else tmp_path / "weights"
    folder.mkdir(parents=True)
    content = published.read_bytes()
    changed = {"truncated": content[:-100], "altered": content[:-1] + b"?", "foreign": b"<html>no</html>"}[damage]
    (folder / DEFAULT).write_bytes(changed)

    with pytest.raises(UsageError, match="its SHA-256 begins with") as raised:
        find_pretrained(ARCH, where="" if place == "cache" else str(folder))

    assert str(folder / DEFAULT) in raised.value.message
    assert "f707e712" in raised.value.message
    assert f"https://download.pytorch.org/models/{DEFAULT}" in raised.value.hint


def test_load_pretrained_refuses_the_weights_of_another_network(tmp_path: Path) -> None:
    network = build_network(ARCH, class_count=3, image_size=64)
    other = build_network("cnn", class_count=3, image_size=64)
    contents = {
        "shapes": models.get_model("shufflenet_v2_x1_0", weights=None).state_dict(),
        "is missing": other.state_dict(),
        "is too much": network.state_dict() | {"more": torch.zeros(1)},
        "no weights that can be read": {"epoch": 3},
    }
    for reason, content in contents.items():
        path = _save(content, tmp_path / reason)
        with pytest.raises(UsageError, match=reason):
            load_pretrained(network, find_pretrained(ARCH, where=str(path.parent)), image_size=64)


def test_training_freezes_pretrained_weights_and_carries_their_normalisation(published: Path, tmp_path: Path) -> None:
    config = configure(
        tmp_path / "out", arch=ARCH, pretrained=True, freeze=True, weights=str(published.parent), epochs=1, ema=0.0
    )

    checkpoint = train(config).checkpoint

    (learnt,), expected = checkpoint.states, torch.load(published, weights_only=True)
    assert all(torch.equal(learnt[name], part) for name, part in expected.items() if not name.startswith("fc."))
    assert checkpoint.mean == pytest.approx((123.675, 116.28, 103.53))
    torch.manual_seed(derive_seed(config.seed, 0))
    head = build_network(ARCH, class_count=2, image_size=32).get_parameter("fc.weight").detach()
    assert 0.0 < float((learnt["fc.weight"] - head).abs().max()) < 0.5  # it began there, and has learnt


def test_load_pretrained_runs_no_code(tmp_path: Path) -> None:
    network = build_network(ARCH, class_count=3, image_size=64)
    path = _save({"conv1.weight": _Malicious(tmp_path / "written")}, tmp_path / "weights")

    with pytest.raises(UsageError, match="no weights that can be read"):
        load_pretrained(network, find_pretrained(ARCH, where=str(path.parent)), image_size=64)

    assert not (tmp_path / "written").exists()


def test_find_pretrained_tells_the_way_out_where_no_hub_is_reached(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "weights").mkdir()

    with pytest.raises(UsageError, match=r"cannot be fetched from https://download\.pytorch\.org") as raised:
        find_pretrained("resnet18", where=str(tmp_path / "weights"))

    assert f"resnet18-f37072fd.pth, are not in {tmp_path / 'weights'} nor in {cache}" in raised.value.message
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in raised.value.hint
    assert str(cache) in raised.value.hint
    assert "--weights" in raised.value.hint


@pytest.mark.parametrize("arch", ["cnn", "small_resnet"])
def test_find_pretrained_refuses_networks_that_nobody_trained(arch: str) -> None:
    with pytest.raises(NetworkError, match=f"{arch} has no pretrained weights"):
        find_pretrained(arch)


def test_find_pretrained_refuses_places_that_are_not_there_or_leave_a_choice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        find_pretrained(ARCH, where=str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="names no bucket"):
        find_pretrained(ARCH, where="s3://")
    for number in (1, 2):
        _save({"weight": torch.full((1,), number)}, tmp_path / "two")
    with pytest.raises(UsageError, match="holds 2 files with weights"):
        find_pretrained(ARCH, where=str(tmp_path / "two"))


def test_find_pretrained_fetches_from_the_hub_into_the_cache(
    hub: str, published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The hub's own file is not at hand, and no other has its SHA-256.
    entry = SimpleNamespace(url=hub, transforms=models.get_model_weights(ARCH).DEFAULT.transforms)
    monkeypatch.setattr(weights.models, "get_model_weights", lambda _arch: SimpleNamespace(DEFAULT=entry))

    found = find_pretrained(ARCH)

    assert found.path == cache / published.name
    assert [path.name for path in cache.iterdir()] == [published.name]
    assert found.path.read_bytes() == published.read_bytes()


def test_find_pretrained_keeps_nothing_that_is_not_what_was_asked_for(
    hub: str, published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A hub that answers with other content than the name says: here, under the default file's name.
    served = published.with_name(DEFAULT)
    served.write_bytes(b"<html>Please log in</html>")
    entry = SimpleNamespace(url=f"{hub.rpartition('/')[0]}/{DEFAULT}", transforms=None)
    monkeypatch.setattr(weights.models, "get_model_weights", lambda _arch: SimpleNamespace(DEFAULT=entry))
    try:
        with pytest.raises(UsageError, match="its SHA-256 begins with") as raised:
            find_pretrained(ARCH)
    finally:
        served.unlink()

    assert str(cache / DEFAULT) in raised.value.message
    assert list(cache.iterdir()) == []


def _accept(path: Path, called: str) -> None:
    """Find nothing wrong with a file."""


def test_download_leaves_nothing_half_done(hub: str, tmp_path: Path) -> None:
    class BreaksOff(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"too short")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    target = tmp_path / "new" / "file.pth"
    with pytest.raises(UnreachableError, match=r"it answered 404 \(file not found\)"):
        download(hub + ".other", target, _accept)
    with _serve(BreaksOff) as address, pytest.raises(UnreachableError, match="ended after 9 of 1,000 bytes"):
        download(address, target, _accept)
    assert list(target.parent.iterdir()) == []

    download(hub, target, _accept)
    assert list(target.parent.iterdir()) == [target]


def test_download_does_not_wait_for_a_server_that_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/file.pth"
        with pytest.raises(UnreachableError, match=r"no answer within|timed out"):
            download(address, tmp_path / "file.pth", _accept, connect_seconds=0.05)


def test_download_says_where_the_cache_cannot_be_written(hub: str, tmp_path: Path) -> None:
    (tmp_path / "torch").write_text("in the way", encoding="utf-8")

    with pytest.raises(SaveError, match="cannot be written") as raised:
        download(hub, tmp_path / "torch" / "file.pth", _accept)

    assert "TORCH_HOME" in raised.value.hint


def test_find_pretrained_fetches_from_a_bucket(published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="kept")
        client.put_object(Bucket="kept", Key=f"models/{published.name}", Body=published.read_bytes())

        found = find_pretrained(ARCH, where="s3://kept/models/")

        assert found.path == cache / published.name
        assert found.path.read_bytes() == published.read_bytes()
        with pytest.raises(UsageError, match="are not in s3://kept nor in"):
            find_pretrained(ARCH, where="s3://kept")
        with pytest.raises(UsageError, match="s3://lost cannot be read") as raised:
            find_pretrained(ARCH, where="s3://lost")
        assert "s3:ListBucket" in raised.value.hint
    finally:
        server.stop()


def test_bucket_without_boto3_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # None makes Python refuse the import as if boto3 were not installed.
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(UsageError, match="needs boto3") as raised:
        find_pretrained(ARCH, where="s3://kept")

    assert "pip install boto3" in raised.value.hint


def _build_small_transformer(image_size: int, class_count: int) -> nn.Module:
    network: nn.Module = VisionTransformer(
        image_size=image_size,
        patch_size=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
        num_classes=class_count,
    )
    return network


def test_load_pretrained_stretches_positions_to_another_image_size(tmp_path: Path) -> None:
    source, network = _build_small_transformer(32, 1000), _build_small_transformer(64, 3)
    path = _save(source.state_dict(), tmp_path)
    found = Pretrained(arch="vit_b_16", path=path, mean=(0.0,) * 3, std=(1.0,) * 3)

    load_pretrained(network, found, image_size=64)

    before = source.get_parameter("encoder.pos_embedding").detach()
    after = network.get_parameter("encoder.pos_embedding").detach()
    assert torch.equal(after[:, 0], before[:, 0])  # the class token has no place
    grid = after[:, 1:].reshape(4, 4, 8)
    assert torch.allclose(grid.mean(dim=(0, 1)), before[0, 1:].mean(dim=0), atol=0.05 * float(before.abs().max()))
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_load_pretrained_knows_the_old_names_of_densenet(tmp_path: Path) -> None:
    network = DenseNet(growth_rate=4, block_config=(1, 1), num_init_features=8, num_classes=3)
    state = DenseNet(growth_rate=4, block_config=(1, 1), num_init_features=8).state_dict()
    old = {name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): part for name, part in state.items()}
    assert old.keys() != state.keys()
    found = Pretrained(arch="densenet121", path=_save(old, tmp_path), mean=(0.0,) * 3, std=(1.0,) * 3)

    load_pretrained(network, found, image_size=64)

    name = "features.denseblock1.denselayer1.conv2.weight"
    assert torch.equal(network.state_dict()[name], state[name])
