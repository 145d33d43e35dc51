"""`run_wav2lip`: a video of a face and a sound become a video that says it."""

from __future__ import annotations

import logging
from pathlib import Path

from visema.errors import EngineError
from visema.mouth.engine import EMBEDDED
from visema.pipeline.utils import Config, settings_of
from visema.stage.render import check_output

log = logging.getLogger(__name__)


def run_wav2lip(
    video: str | Path,
    audio: str | Path,
    output: str | Path,
    *,
    transcript: str = "",
    language: str = "en",
    device: str | None = None,
) -> Path:
    """Let the face of a video say a recording; everything else stays as it is.

    The video goes on in a loop where the sound is longer. Without Wav2Lip's weights the embedded mouth draws, and a
    warning says so.

    Args:
        video: A video of a face, such as `LivePortraitRunner.run` makes, or a photo.
        audio: The recording.
        output: Where to write, ``.mp4``.
        transcript: What is said in it, where known; the embedded mouth is then timed better.
        language: Of the recording.
        device: As for `LivePortraitRunner`.

    Returns:
        ``output``.

    Raises:
        MediaError: The video or the sound cannot be read.
        FaceError: No usable face is seen.
        InputError: There is no speech in the recording.
        OutputError: The file cannot be written.
    """
    from visema.hearing import hear
    from visema.media.audio import read_audio
    from visema.setup import prepare_avatar
    from visema.stage.render import render_file
    from visema.visemes.plan import plan

    out = Path(output)
    check_output(out)
    samples, rate = read_audio(audio)
    speech = hear(samples, rate, transcript, language)
    with settings_of(device or Config.DEVICE, Config.WAV2LIP_CHECKPOINT):
        try:
            avatar = prepare_avatar(Path(video), engine="wav2lip")
        except EngineError as e:
            log.warning("Wav2Lip cannot draw, so the embedded engine does: %s", e)
            avatar = prepare_avatar(Path(video), engine=EMBEDDED)
        for note in (*avatar.notes, *speech.notes):
            log.warning("%s", note)
        render_file(avatar, speech, plan(speech, avatar.fps), out)
    return out
