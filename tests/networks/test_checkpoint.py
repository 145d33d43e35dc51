"""Released files load by name and shape, with and without their wrappers; anything else gives one clear error."""

from __future__ import annotations

import json
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the networks need torch (pip install 'visema[neural]')")

import torch

import liveportrait.checkpoint
import sadtalker.checkpoint
import wav2lip.checkpoint
from facenets.checkpoint import CheckpointError, build, read_checkpoint
from facenets.synthetic import synthetic
from liveportrait.retargeting import EyeNet, LipNet, StitchingNet
from sadtalker.expression import ExpressionNet
from sadtalker.mapping import MappingNet
from wav2lip.discriminator import QualityDiscriminator

State = dict[str, "torch.Tensor"]


def stitching_state() -> State:
    return dict(synthetic(StitchingNet, "stitching").state_dict())


def parallel(state: State) -> State:
    return {f"module.{key}": value for key, value in state.items()}


def load_stitching(path: Path) -> StitchingNet:
    return build(StitchingNet, read_checkpoint(path), path, "stitching")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "stitching.pth"
    torch.save(stitching_state(), path)
    return path


def test_a_flat_state_loads(weights: Path) -> None:
    network = load_stitching(weights)
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), stitching_state().values(), strict=True)
    )
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_older_layout_of_torch_loads(tmp_path: Path) -> None:
    path = tmp_path / "old.pth.tar"
    torch.save(stitching_state(), path, _use_new_zipfile_serialization=False)
    load_stitching(path)


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    path = tmp_path / "half.pth"
    torch.save({key: value.half() for key, value in stitching_state().items()}, path)
    assert next(load_stitching(path).parameters()).dtype == torch.float32


@pytest.mark.parametrize("wrap", [dict, parallel])
@pytest.mark.parametrize("bare", [True, False])
def test_wav2lip_discriminator_in_each_layout(tmp_path: Path, wrap: Callable[[State], State], bare: bool) -> None:
    state = wrap(dict(synthetic(QualityDiscriminator, "disc").state_dict()))
    path = tmp_path / "visual_quality_disc.pth"
    torch.save(state if bare else {"state_dict": state, "optimizer": {"lr": 1e-4}, "global_step": 3}, path)
    network = wav2lip.checkpoint.load_discriminator(path)
    assert torch.equal(next(network.parameters()), next(iter(state.values())))


def test_sadtalker_mapping_depends_on_the_mode(tmp_path: Path) -> None:
    path = tmp_path / sadtalker.checkpoint.mapping_file("full")
    torch.save({"mapping": synthetic(partial(MappingNet, 73), "mapping").state_dict(), "epoch": 109}, path)
    assert path.name == "mapping_00109-model.pth.tar"
    assert sadtalker.checkpoint.load_mapping(path, "extfull").first[0].in_channels == 73
    with pytest.raises(CheckpointError, match=r"first\.0\.weight is \[1024, 73, 7\], expected \[1024, 70, 7\]"):
        sadtalker.checkpoint.load_mapping(path, "crop")


def test_liveportrait_retargeting_file(tmp_path: Path) -> None:
    builders = {"retarget_shoulder": StitchingNet, "retarget_mouth": LipNet, "retarget_eye": EyeNet}
    content = {name: parallel(dict(synthetic(b, name).state_dict())) for name, b in builders.items()}
    path = tmp_path / "stitching_retargeting_module.pth"
    torch.save({**content, "other": {"weight": torch.zeros(2)}}, path)
    stitching, lip, eye = liveportrait.checkpoint.load_retargeting(path)
    assert (stitching.mlp[0].in_features, lip.mlp[0].in_features, eye.mlp[0].in_features) == (126, 65, 66)
    torch.save({"retarget_shoulder": content["retarget_shoulder"]}, path)
    with pytest.raises(CheckpointError, match="no 'retarget_mouth', only retarget_shoulder"):
        liveportrait.checkpoint.load_retargeting(path)


#: A loader for every released file that is read, with the package its manifest belongs to.
LOADERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "wav2lip.pth": ("wav2lip", wav2lip.checkpoint.load_generator),
    "wav2lip_gan.pth": ("wav2lip", wav2lip.checkpoint.load_generator),
    "lipsync_expert.pth": ("wav2lip", wav2lip.checkpoint.load_syncnet),
    "visual_quality_disc.pth": ("wav2lip", wav2lip.checkpoint.load_discriminator),
    "mapping_00109-model.pth.tar": ("sadtalker", lambda path: sadtalker.checkpoint.load_mapping(path, "full")),
    "mapping_00229-model.pth.tar": ("sadtalker", lambda path: sadtalker.checkpoint.load_mapping(path, "crop")),
    "SadTalker_V0.0.2_256.safetensors": (
        "sadtalker",
        lambda path: sadtalker.checkpoint.load_networks(path, path.with_name("mapping_00229-model.pth.tar")),
    ),
    "epoch_20.pth": ("sadtalker", lambda path: sadtalker.checkpoint.load_legacy(path.parent)),
    "appearance_feature_extractor.pth": ("liveportrait", lambda path: liveportrait.checkpoint.load_appearance(path)),
    "stitching_retargeting_module.pth": (
        "liveportrait",
        lambda path: liveportrait.checkpoint.load_networks(path.parent.parent),
    ),
}


def released(reference: Path, package: str) -> dict[str, dict[str, object]]:
    """Content of the released files by name, tensors without memory."""
    files: dict[str, dict[str, object]] = {}
    for name, entry in json.loads((reference / f"manifest_files_{package}.json").read_text())["files"].items():
        content: dict[str, object] = {"epoch": 3} if entry["container"] != "safetensors, flat, no wrapper" else {}
        for part in entry.get("parts", []):
            state = {
                key: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
                for key, (shape, dtype) in part["keys"].items()
            }
            if part["wrapper"]:
                content[part["wrapper"][0]] = state
            else:
                content = dict(state)
        files[Path(name).name] = content
    return files


@pytest.mark.parametrize("name", LOADERS)
def test_released_layout_loads(name: str, reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, load = LOADERS[name]
    files = released(reference, package)
    for module in (wav2lip.checkpoint, sadtalker.checkpoint, liveportrait.checkpoint):
        monkeypatch.setattr(module, "read_checkpoint", lambda path: files[path.name])
    load(Path("/release/folder") / name)


class TestRefused:
    """One clear error that names the file and what is wrong."""

    def test_missing_key(self, tmp_path: Path) -> None:
        state = stitching_state()
        del state["mlp.4.bias"]
        self.check(tmp_path, state, r"x\.pth: does not fit the stitching network: missing mlp\.4\.bias$")

    def test_surplus_key(self, tmp_path: Path) -> None:
        self.check(tmp_path, {**stitching_state(), "mlp.8.bias": torch.zeros(3)}, r"surplus mlp\.8\.bias$")

    def test_many_keys_are_counted(self, tmp_path: Path) -> None:
        state = dict(synthetic(ExpressionNet, "audio2exp").state_dict())
        self.check(tmp_path, state, r"missing mlp\.0\.weight, .* and 3 more; surplus .* and 88 more")

    def test_shape(self, tmp_path: Path) -> None:
        state = {**stitching_state(), "mlp.0.bias": torch.zeros(127)}
        self.check(tmp_path, state, r"mlp\.0\.bias is \[127\], expected \[128\]")

    def test_dtype(self, tmp_path: Path) -> None:
        state = {**stitching_state(), "mlp.0.bias": torch.zeros(128, dtype=torch.int64)}
        self.check(tmp_path, state, r"mlp\.0\.bias is torch\.int64, expected torch\.float32")

    def test_not_a_tensor(self, tmp_path: Path) -> None:
        self.check(tmp_path, {**stitching_state(), "mlp.0.bias": 3.0}, r"mlp\.0\.bias is a float")

    def test_a_list(self, tmp_path: Path) -> None:
        self.check(tmp_path, [torch.zeros(2)], "holds a list, expected named tensors")

    def check(self, folder: Path, content: object, message: str) -> None:
        path = folder / "x.pth"
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=message):
            load_stitching(path)

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_truncated(self, tmp_path: Path, share: float, zipped: bool) -> None:
        path = tmp_path / "cut.pth"
        torch.save(stitching_state(), path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(CheckpointError, match=r"cut\.pth"):
            load_stitching(path)

    @pytest.mark.parametrize("zipped", [True, False])
    def test_code_is_not_run(self, tmp_path: Path, zipped: bool) -> None:
        victim = tmp_path / "victim"

        class Hostile:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return os.mkdir, (str(victim),)

        path = tmp_path / "hostile.pth"
        torch.save({**stitching_state(), "bad": Hostile()}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(CheckpointError, match="could run code"):
            load_stitching(path)
        path.write_bytes(pickle.dumps(Hostile()))
        with pytest.raises(CheckpointError, match=r"hostile\.pth"):
            load_stitching(path)
        assert not victim.exists()

    def test_a_picture(self, tmp_path: Path) -> None:
        path = tmp_path / "face.pth"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
        with pytest.raises(CheckpointError, match=r"face\.pth"):
            load_stitching(path)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="No such file"):
            load_stitching(tmp_path / "nothing.pth")


class TestSafetensors:
    """The flat file with prefixes."""

    def test_a_file_loads_and_its_flaws_are_named(self, tmp_path: Path) -> None:
        safetensors = pytest.importorskip("safetensors.torch", reason="needs the safetensors package")
        path = tmp_path / "x.safetensors"
        safetensors.save_file(stitching_state(), path)
        load_stitching(path)
        whole = path.read_bytes()
        path.write_bytes(whole[:-100])
        with pytest.raises(CheckpointError, match="not a whole safetensors file"):
            load_stitching(path)

    def test_an_unknown_prefix_is_surplus(self, tmp_path: Path) -> None:
        safetensors = pytest.importorskip("safetensors.torch", reason="needs the safetensors package")
        path = tmp_path / "x.safetensors"
        safetensors.save_file({"generator.a": torch.zeros(1), "stranger.b": torch.zeros(1)}, path)
        with pytest.raises(CheckpointError, match=r"surplus stranger\.b$"):
            sadtalker.checkpoint.load_networks(path, path)

    @pytest.mark.slow
    def test_the_whole_release(self, tmp_path: Path) -> None:
        safetensors = pytest.importorskip("safetensors.torch", reason="needs the safetensors package")
        from sadtalker.model import BUILDERS

        content: State = OrderedDict()
        for prefix in sadtalker.checkpoint.PREFIXES:
            with torch.device("meta"):
                state = BUILDERS[prefix.rstrip(".")]().state_dict()
            content.update({prefix + key: torch.zeros(v.shape, dtype=v.dtype) for key, v in state.items()})
        path = tmp_path / "SadTalker_V0.0.2_256.safetensors"
        safetensors.save_file(content, path)
        assert path.stat().st_size == 725_066_984
        mapping = tmp_path / sadtalker.checkpoint.mapping_file("crop")
        torch.save({"mapping": synthetic(partial(MappingNet, 70), "mapping").state_dict()}, mapping)
        networks = sadtalker.checkpoint.load_networks(path, mapping)
        assert networks.expression.mapping1.in_features == 577
