"""The pipeline of VISEMA 2.0 by its own names: a portrait that moves, lips that follow a sound, a film.

    from visema.pipeline import FFmpegEncoder, LivePortraitRunner, run_wav2lip

    runner = LivePortraitRunner(device="cuda")
    runner.run("face.jpg", duration_sec=5.0, output="liveportrait.mp4")
    runner.cleanup()
    run_wav2lip("liveportrait.mp4", "speech.wav", "with_lipsync.mp4")
    FFmpegEncoder().encode("with_lipsync.mp4", "final.mp4", audio_path="speech.wav")

Thin names over the engines that everything else uses. Where the weights of a network are missing, the embedded engine
does its work and a warning says so. For one photo and one sound `visema.stage.film.make_film` is quicker and better:
there the head follows the speech.
"""

from visema.pipeline.ffmpeg_encode import FFmpegEncoder
from visema.pipeline.liveportrait_runner import LivePortraitRunner
from visema.pipeline.utils import Config, log_config
from visema.pipeline.wav2lip_runner import run_wav2lip

__all__ = ["Config", "FFmpegEncoder", "LivePortraitRunner", "log_config", "run_wav2lip"]
