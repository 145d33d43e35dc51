"""What the command line understands, and what it says when it does not."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from visema.cli.arguments import DEFAULT_VOICE, make_parser, parse
from visema.errors import InputError

TABLE = (
    *("--video", "--text", "--audio", "--voice", "--list-voices", "--save", "--frame", "--size", "--engine", "--fps"),
    *("--resolution", "--crop", "--rate", "--pitch", "--volume", "--pronounce", "--offline", "--setup", "--force"),
    *("--ui", "--host", "--port", "--headless", "--timeline", "--captions", "--timeline-in", "--no-play", "--label"),
    "--check",
)


def test_every_argument_of_the_table_is_there() -> None:
    known = {name for action in make_parser()._actions for name in action.option_strings}
    assert set(TABLE) <= known


def test_defaults() -> None:
    options = parse([])
    assert (options.video, options.voice, options.frame, options.size, options.engine) == (
        "Video04.mp4",
        DEFAULT_VOICE,
        "-1",
        256,
        "auto",
    )
    assert (options.text, options.rate, options.pitch, options.volume, options.play) == (None, 1.0, 0.0, 1.0, True)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["--rate", "1.5"], "rate", 1.5),
        (["--rate", "+20%"], "rate", 1.2),
        (["--rate", "-10%"], "rate", 0.9),
        (["--rate", "slow"], "rate", 0.75),
        (["--rate", "normal"], "rate", 1.0),
        (["--pitch", "-2"], "pitch", -2.0),
        (["--pitch", "+3st"], "pitch", 3.0),
        (["--volume", "50%"], "volume", 0.5),
        (["--text", "-5 degrees"], "text", "-5 degrees"),
        (["--text", "-hello"], "text", "-hello"),
        (["--text", "-"], "text", "-"),
        (["--text", ""], "text", ""),
        (["--text=--setup"], "text", "--setup"),
        (["--frame", "-1"], "frame", "-1"),
        (["--frame", "auto"], "frame", "auto"),
        (["--list-voices"], "list_voices", ""),
        (["--list-voices", "de"], "list_voices", "de"),
        (["--fps", "30"], "fps", 30.0),
        (["--no-play"], "play", False),
    ],
)
def test_values(words: list[str], field: str, value: object) -> None:
    assert getattr(parse(words), field) == pytest.approx(value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tetx", "hi"], "--text"),
        (["--text"], "expected one argument"),
        (["--text", "--save", "a.mp4"], "expected one argument"),
        (["--text", "Hello", "there"], "quotes"),
        (["--size", "300"], "256"),
        (["--rate", "quick"], "rate"),
        (["--rate", "99"], "between"),
        (["--rate", "nan"], "between"),
        (["--pitch", "40"], "between"),
        (["--volume", "-1"], "between"),
        (["--fps", "0"], "between"),
        (["--crop", "4:3"], "16:9"),
        (["--frame", "x"], "frame"),
        (["--frame", "-7"], "frame"),
        (["--port", "99999"], "port"),
        (["--sav", "a.mp4"], "--save"),
    ],
)
def test_mistakes_are_said_with_a_way_out(words: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(words)
    assert said in str(caught.value) and caught.value.hint


def test_help_loads_nothing_heavy_and_shows_examples() -> None:
    code = (
        "import sys; sys.argv=['video.py','--help']\n"
        "from visema.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy','cv2','av','torch','gradio','mediapipe','scipy','pygame'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    assert "examples:" in done.stdout and all(name in done.stdout for name in TABLE)


def test_manners_reach_as_far_as_the_voices_do() -> None:
    from visema.cli import arguments
    from visema.speech import speak

    assert (arguments.RATE_RANGE, arguments.PITCH_RANGE, arguments.VOLUME_RANGE) == (
        speak.RATES,
        speak.PITCHES,
        speak.VOLUMES,
    )
