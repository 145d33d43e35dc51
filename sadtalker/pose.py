"""Speech to head motion: a conditional auto-encoder's decoder, 32 frames at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from scipy.signal import savgol_filter
from torch import Tensor, nn

from facenets.convblock import mel_encoder
from sadtalker.expression import EXPRESSIONS
from sadtalker.resunet import ResUnet

#: Three angles and three translations.
POSE = 6
#: Frames per run.
BLOCK = 32
LATENT = 64
STYLES = 46
#: Half a second of frames, second order: smooths steps between blocks, keeps nods.
SMOOTHING_WINDOW, SMOOTHING_ORDER = 13, 2


class MelEncoder(nn.Module):
    """Embeds every mel window of a stretch: (n, t, 1, 80, 16) to (n, t, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_encoder = mel_encoder()

    def forward(self, mels: Tensor) -> Tensor:
        """Embed."""
        flat: Tensor = self.audio_encoder(mels.flatten(0, 1))
        return torch.unflatten(flat.flatten(1), 0, mels.shape[:2])


class MotionEncoder(nn.Module):
    """The training half of the auto-encoder: stored with the release, never run to speak."""

    def __init__(self) -> None:
        super().__init__()
        self.classbias = nn.Parameter(torch.zeros(STYLES, LATENT))
        self.resunet = ResUnet()
        self.MLP = nn.Sequential(OrderedDict(L0=nn.Linear(POSE + 2 * POSE * BLOCK + LATENT, 128)))
        self.linear_means = nn.Linear(128, LATENT)
        self.linear_logvar = nn.Linear(128, LATENT)
        self.linear_audio = nn.Linear(512, POSE)


class MotionDecoder(nn.Module):
    """Draws 32 frames of head motion from speech, a style and a random vector."""

    def __init__(self) -> None:
        super().__init__()
        self.classbias = nn.Parameter(torch.zeros(STYLES, LATENT))
        self.resunet = ResUnet()
        self.MLP = nn.Sequential(
            OrderedDict(
                L0=nn.Linear(POSE + LATENT + POSE * BLOCK, 128),
                A0=nn.ReLU(),
                L1=nn.Linear(128, POSE * BLOCK),
                sigmoid=nn.Sigmoid(),
            )
        )
        self.pose_linear = nn.Linear(POSE, POSE)
        self.linear_audio = nn.Linear(512, POSE)

    def forward(self, reference: Tensor, latent: Tensor, style: Tensor, audio: Tensor) -> Tensor:
        """Motion relative to the reference pose.

        Args:
            reference: pose of the source, (n, 6).
            latent: standard normal, (n, 64).
            style: index of the style, (n,).
            audio: embeddings, (n, 32, 512).

        Returns:
            (n, 32, 6).
        """
        speech = self.linear_audio(audio).flatten(1)
        mixed = self.MLP(torch.cat([reference, latent + self.classbias[style], speech], dim=1))
        picture = self.resunet(mixed.view(-1, 1, BLOCK, POSE))
        out: Tensor = self.pose_linear(picture.flatten(0, 1))
        return out


class MotionAutoEncoder(nn.Module):
    """Encoder and decoder under the names of the release."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MotionEncoder()
        self.decoder = MotionDecoder()


class _CriticBlock(nn.Module):
    def __init__(self, cin: int, cout: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(cin, cout, kernel, bias=False)
        self.norm = nn.BatchNorm1d(cout)


class MotionCritic(nn.Module):
    """The training critic over motions: stored with the release, never run to speak."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = nn.ModuleList(
            [_CriticBlock(POSE, 256, 4), _CriticBlock(256, 512, 4), _CriticBlock(512, 1024, 3), nn.Conv1d(1024, 1, 3)]
        )


class PoseNet(nn.Module):
    """All that the release stores under audio-to-pose."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_encoder = MelEncoder()
        self.netG = MotionAutoEncoder()
        self.netD_motion = MotionCritic()

    def forward(self, mels: Tensor, reference: Tensor, style: int, draw: Callable[[], Tensor]) -> Tensor:
        """Head motion of a whole speech.

        Args:
            mels: windows, (n, t, 1, 80, 16).
            reference: pose of the source, (n, 6).
            style: 0 to 45.
            draw: gives a fresh latent vector (n, 64) for every block of 32 frames, the last, shorter one included.

        Returns:
            Motion relative to the reference, zero in the first frame, (n, t, 6).
        """
        if not 0 <= style < STYLES:
            raise ValueError(f"pose style {style} is not one of 0 to {STYLES - 1}")
        moving = mels[:, 1:]
        count = moving.shape[1]
        styles = torch.full((len(mels),), style, dtype=torch.long, device=mels.device)
        parts = [torch.zeros_like(reference)[:, None]]
        for start in range(0, count, BLOCK):
            latent = draw()
            rest = min(BLOCK, count - start)
            # A last, shorter block looks back over the last 32 windows and keeps its own frames.
            window = moving[:, start : start + BLOCK] if rest == BLOCK else moving[:, -BLOCK:]
            audio = self.audio_encoder(window)
            if audio.shape[1] < BLOCK:
                lead = audio[:, :1].expand(-1, BLOCK - audio.shape[1], -1)
                audio = torch.cat([lead, audio], dim=1)
            parts.append(self.netG.decoder(reference, latent, styles, audio)[:, -rest:])
        return torch.cat(parts, dim=1)


def pose_of(rows: Tensor) -> Tensor:
    """The six pose columns (64..69) of rows of the face model."""
    return rows[..., EXPRESSIONS : EXPRESSIONS + POSE]


def smooth_pose(pose: Tensor) -> Tensor:
    """Savitzky-Golay filter along time; short clips take the largest odd window that fits: (n, t, 6)."""
    frames = pose.shape[1]
    window = SMOOTHING_WINDOW if frames >= SMOOTHING_WINDOW else (frames - 1) // 2 * 2 + 1
    if window <= SMOOTHING_ORDER:
        return pose.clone()
    smoothed = savgol_filter(pose.cpu().numpy(), window, SMOOTHING_ORDER, axis=1)
    return torch.from_numpy(smoothed).to(pose)
