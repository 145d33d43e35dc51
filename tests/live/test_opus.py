from __future__ import annotations

import io
import struct
import zlib

import av
import numpy as np
import pytest

from tests.live.conftest import embedded_voice
from visema.live.messages import OPUS_RATE, RATE
from visema.live.opus import PACKET, OpusStream, ogg_opus
from visema.live.take import Take
from visema.media.audio import resample
from visema.speech.types import SpeechSettings


def decoded(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as box:
        parts = [frame.to_ndarray().ravel() for frame in box.decode(audio=0)]
    return np.concatenate(parts).astype(np.float32)


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    speech = embedded_voice("Pieces of speech must join without a click, whatever is said.", "", SpeechSettings())
    return resample(speech.samples, speech.rate, RATE)


def test_pieces_decode_alone_to_their_exact_length_and_join_as_if_never_cut(voice: np.ndarray) -> None:
    stream = OpusStream(3)
    stream.feed(voice)
    stream.finish()
    whole, at = [], 0
    for length in (4800, 12_000, 960, 12_000, len(voice)):
        count = min(length, len(voice) - at)
        if count <= 0:
            break
        heard = decoded(stream.piece(at, count))
        assert len(heard) == count * 2
        whole.append(heard)
        at += count
    joined = np.concatenate(whole)
    once = OpusStream(4)
    once.feed(voice)
    once.finish()
    reference = decoded(ogg_opus(once._packets, 312, 312 + 2 * len(voice), 4))
    assert len(joined) == len(reference)
    # A decoder that has had 80 ms to settle differs from one that heard all of it by less than can be heard.
    assert np.abs(joined - reference).max() < 0.02
    assert np.sqrt(np.mean((joined - reference) ** 2)) < 0.003


def test_sound_is_in_step(voice: np.ndarray) -> None:
    stream = OpusStream()
    stream.feed(voice)
    stream.finish()
    heard = decoded(stream.piece(0, len(voice)))
    said = resample(voice, RATE, OPUS_RATE)
    lags = range(-20, 21)
    match = [float(np.dot(heard[100 + k : len(said) - 100 + k], said[100 : len(said) - 100])) for k in lags]
    assert abs(lags[int(np.argmax(match))]) <= 1


def test_ogg_pages_are_whole() -> None:
    data = ogg_opus([b"\xfc" * 300, b"\xfc" * 20], 312, 1000, 9)
    assert data[:4] == b"OggS" and data.count(b"OggS") == 3
    assert data[28:36] == b"OpusHead"
    last = data.rfind(b"OggS")
    assert data[last + 5] == 4, "end of stream"
    assert struct.unpack_from("<q", data, last + 6)[0] == 1000
    assert zlib.crc32(data)  # any reader's own check is in `decoded`


@pytest.mark.parametrize("cuts", [[0.31, 0.1, 1.0], [0.05, 0.05, 0.02, 2.0], [3.0]])
def test_a_take_gives_out_every_sample_once(cuts: list[float]) -> None:
    rng = np.random.default_rng(1)
    take = Take(7, 2.0, 3)
    parts, chunks, now = [], [], 0.0
    for seconds in cuts:
        part = rng.normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
        parts.append(part)
        take.append(part)
        chunks += take.emit(2.0 + now)
        now += 0.3
    chunks += take.emit(np.inf, last=True)
    assert np.array_equal(np.concatenate([c.samples for c in chunks]), np.concatenate(parts))
    at = 0
    for number, chunk in enumerate(chunks):
        assert chunk.first == at and chunk.t == pytest.approx(2.0 + at / RATE) and chunk.take == 7
        assert chunk.flags == (1 if number == 0 else 0) | (2 if number == len(chunks) - 1 else 0)
        assert len(decoded(chunk.opus)) == 2 * len(chunk.samples)
        at += len(chunk.samples)
    assert all(c.first % PACKET == 0 for c in chunks)


def test_silence_costs_little() -> None:
    take = Take(1, 0.0, 0)
    take.append(np.zeros(RATE * 4, np.float32))
    size = sum(len(c.opus) for c in take.emit(np.inf, last=True))
    assert size / 4 < 3000
