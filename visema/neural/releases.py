"""The published weights: which files, where they are kept, how large they are and on what terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from visema.errors import InputError

#: The hub's name for the newest state of a repository. The commit it stands for is recorded with the first file that
#: is fetched, and asked for from then on.
NEWEST: Final = "main"


@dataclass(frozen=True)
class WeightFile:
    """One file.

    Attributes:
        path: Where it lies in the release's folder.
        size: Bytes, as published; what a server says of it decides.
        remote: Its path in the hub's repository; empty where that is `path`.
        url: Its address on a release page, whose tag pins it.
        picture_size: Only needed for pictures of this size; 0 for all.
    """

    path: str
    size: int
    remote: str = ""
    url: str = ""
    picture_size: int = 0


@dataclass(frozen=True)
class Release:
    """What one engine needs.

    Attributes:
        name: Of the engine.
        files: Its files.
        licence: On what terms they may be used, for people.
        page: Where those who published it say so.
        repository: On the hub; empty where the files are on a release page.
        revision: Of the repository: a commit, or `NEWEST` until one is recorded.
    """

    name: str
    files: tuple[WeightFile, ...]
    licence: str
    page: str
    repository: str = ""
    revision: str = NEWEST

    def needed(self, size: int) -> tuple[WeightFile, ...]:
        """The files for pictures of ``size``."""
        return tuple(file for file in self.files if file.picture_size in (0, size))

    def address(self, file: WeightFile, revision: str = "") -> str:
        """Where a file can be had by hand."""
        if not self.repository:
            return file.url
        return (
            f"https://huggingface.co/{self.repository}/resolve/{revision or self.revision}/{file.remote or file.path}"
        )


_SADTALKER_PAGE: Final = "https://github.com/OpenTalker/SadTalker/releases/download"

SADTALKER: Final = Release(
    name="sadtalker",
    files=(
        # Sizes are the released files'; both picture sizes have the same tensors.
        WeightFile("SadTalker_V0.0.2_256.safetensors", 725_066_984, picture_size=256),
        WeightFile("SadTalker_V0.0.2_512.safetensors", 725_066_984, picture_size=512),
        WeightFile("mapping_00109-model.pth.tar", 155_779_231),
    ),
    licence="Apache-2.0; third-party parts under their own terms, see the page",
    page="https://github.com/OpenTalker/SadTalker",
    repository="vinthony/SadTalker-V002rc",
)
WAV2LIP: Final = Release(
    name="wav2lip",
    files=(WeightFile("wav2lip.pth", 435_807_851, url=f"{_SADTALKER_PAGE}/v0.0.2/wav2lip.pth"),),
    licence="research and personal use only, no commercial use",
    page="https://github.com/Rudrabha/Wav2Lip",
)
LIVEPORTRAIT: Final = Release(
    name="liveportrait",
    files=tuple(
        WeightFile(path, size, remote=f"liveportrait/{path}")
        for path, size in (
            ("base_models/appearance_feature_extractor.pth", 3_387_959),
            ("base_models/motion_extractor.pth", 112_545_506),
            ("base_models/warping_module.pth", 182_180_086),
            ("base_models/spade_generator.pth", 221_813_590),
            ("retargeting_models/stitching_retargeting_module.pth", 2_393_098),
        )
    ),
    licence="MIT",
    page="https://github.com/KwaiVGI/LivePortrait",
    repository="KwaiVGI/LivePortrait",
)
RELEASES: Final = {release.name: release for release in (SADTALKER, WAV2LIP, LIVEPORTRAIT)}


def release_of(name: str) -> Release:
    """A release by its engine's name.

    Raises:
        InputError: There is none.
    """
    if name not in RELEASES:
        raise InputError(f"There are no weights '{name}' to download.", f"Choose one of: {', '.join(RELEASES)}.")
    return RELEASES[name]
