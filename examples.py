"""The platform in seven examples: `python examples.py` runs all, `python examples.py 3 5` the third and the fifth.

They speak with the server that `VISEMA_URL` names (and `VISEMA_KEY` opens); without one they start their own for as
long as they run. What they make is put into `examples/` or the folder after `--folder`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from visema.client import ApiError, JobFailed, Unreachable, Visema
from visema.paths import ASSETS, ROOT

VOICE = "espeak:en-us"  # an embedded voice: nothing leaves this machine


def simple_video(api: Visema, folder: Path) -> None:
    """1. A video of the server's own presenter saying a text."""
    job = api.make(folder / "simple.mp4", text="Hello, and welcome to Visema.", voice=VOICE)
    print(f"   {folder / 'simple.mp4'}: {job.duration:.1f} s")


def avatar_training(api: Visema, folder: Path) -> None:
    """2. An avatar of a photo, with a report on its quality; then a video of it."""
    photo = ASSETS / "presenter.png"
    asked = api.train(photo, name="Example", consent="She does not exist: she was modelled for this project.")
    trained = api.wait(asked).check()
    avatar = api.avatar(str(trained.result["avatar"]))
    print(f"   {avatar.id}: {avatar.size[0]} x {avatar.size[1]} at {avatar.fps:g} pictures a second")
    for name, value in (avatar.report or trained.result.get("report") or {}).items():
        print(f"   {name}: {value}")
    api.make(folder / "trained.mp4", avatar=avatar.id, text="I was a photo a moment ago.", voice=VOICE)
    api.delete_avatar(avatar.id)


def voice_cloning(api: Visema, folder: Path) -> None:
    """3. A voice like that of a recording. What the server makes by itself is a voice match, and is called that."""
    sample = folder / "sample.wav"
    text = "The quick brown fox jumps over the lazy dog, and she reads a page of her book aloud every evening."
    sample.write_bytes(api.tts(text, voice=VOICE, pitch=-3, rate=0.9).audio)
    voice = api.clone(sample, name=f"Example {os.getpid()}", consent="A machine's voice: nobody needs to be asked.")
    print(f"   {voice.name}: {voice.raw.get('said', voice.label)}")
    speech = api.tts("This is the voice that was made.", voice=voice.name)
    (folder / "cloned.wav").write_bytes(speech.audio)
    print(f"   {folder / 'cloned.wav'}: {speech.duration:.1f} s, {len(speech.visemes)} visemes")
    api.delete_voice(voice.name)


def list_resources(api: Visema, folder: Path) -> None:
    """4. What there is: avatars, voices, jobs, and what was used."""
    print(f"   avatars: {', '.join(avatar.name for avatar in api.avatars())}")
    voices = api.voices(language="en")
    print(f"   English voices: {len(voices)}, such as {', '.join(voice.name for voice in voices[:3])}")
    for job in api.jobs(limit=3).items:
        print(f"   job {job.id}: {job.kind}, {job.state}")
    print(f"   this month: {api.usage()['video_seconds']:.1f} s of video")


def batch(api: Visema, folder: Path) -> None:
    """5. Many videos at once, and one report."""
    items = [{"text": f"Good morning, {name}.", "voice": VOICE} for name in ("Ada", "Grace", "Katherine")]
    report = api.wait_batch(api.batch(items))
    for job in report.jobs:
        api.download(job.check(), folder / f"batch-{job.raw['index'] + 1}.mp4")
    print(f"   {report.items} videos: {dict(report.counts)}")


def custom_settings(api: Visema, folder: Path) -> None:
    """6. Another voice's manner, a tall picture, captions, and a mark that says that the video is synthetic."""
    job = api.make(
        folder / "custom.mp4",
        text="[pause 300ms] Slowly, and a little lower.",
        voice=VOICE,
        rate=0.85,
        pitch=-2,
        crop="9:16",
        fps=30,
        mark=True,
        progress=lambda told: print(f"   {told.percent:3.0f} % {told.stage}"),
    )
    api.download(job, folder / "custom.srt", captions="srt")
    print(f"   {(folder / 'custom.srt').read_text('utf-8').splitlines()[2]}")


def api_usage(api: Visema, folder: Path) -> None:
    """7. The same without the client: curl and JavaScript, as in docs/client.md; and what a refusal looks like."""
    env = {**os.environ, "SERVER": api.url, "KEY": os.environ.get("VISEMA_KEY", "")}
    header = f"Authorization: Bearer {env['KEY']}" if env["KEY"] else "Accept: application/json"
    if shutil.which("curl"):
        command = ["curl", "-fsS", "-H", header, "--json", f'{{"text": "From curl.", "voice": "{VOICE}"}}']
        answer = subprocess.run([*command, f"{api.url}/api/v1/generate"], check=True, capture_output=True, text=True)
        print(f"   curl: {answer.stdout[:72]}…")
    if node := shutil.which("node"):
        script = """
          const { SERVER, KEY } = process.env;
          const headers = { 'Content-Type': 'application/json', ...(KEY && { Authorization: `Bearer ${KEY}` }) };
          const body = JSON.stringify({ text: 'From JavaScript.', voice: 'espeak:en-us' });
          const answer = await fetch(`${SERVER}/api/v1/generate`, { method: 'POST', headers, body });
          const job = await answer.json();
          console.log(answer.status, job.job_id, job.state);
        """
        command = [node, "--input-type=module", "-e", script]
        done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
        print(f"   JavaScript: {done.stdout.strip()}")
    try:
        api.generate(avatar="nobody-here", text="Hello.")
    except ApiError as e:
        print(f"   refused with {e.status} {e.code}: {e}")


SCENARIOS: tuple[Callable[[Visema, Path], None], ...] = (
    simple_video, avatar_training, voice_cloning, list_resources, batch, custom_settings, api_usage,
)  # fmt: skip


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The address of the server: the one that `VISEMA_URL` names, else one of our own, which ends with us."""
    if os.environ.get("VISEMA_URL"):
        yield os.environ["VISEMA_URL"]
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    print(f"Starting a server on port {port} …")
    command = [sys.executable, "-m", "visema", "serve", "--port", str(port), "--offline"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(api: Visema, seconds: float = 120.0) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            api.health()
            return
        except Unreachable:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def main() -> int:
    """Run the examples that were named, else all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("number", nargs="*", type=int, help="of an example, 1 to 7; all without one")
    parser.add_argument("--folder", type=Path, default=Path("examples"), help="where results go")
    arguments = parser.parse_args()
    chosen = [SCENARIOS[number - 1] for number in arguments.number or range(1, len(SCENARIOS) + 1)]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with server() as address, Visema(address) as api:
        wait_for(api)
        for scenario in chosen:
            print((scenario.__doc__ or "").splitlines()[0])
            try:
                scenario(api, arguments.folder)
            except JobFailed as e:
                print(f"   failed: {e}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
