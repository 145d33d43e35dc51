"""Case kinds of the speech front end, which no single package owns."""

from __future__ import annotations

from collections.abc import Mapping

from facenets.mel import mel_basis, melspectrogram
from facenets.vectors import MATHS, Case
from facenets.verification import Array, Kind, Outputs


def _basis(*_: object) -> Outputs:
    return {"mel_basis": mel_basis()}


def _zero_padded(_case: Case, inputs: Mapping[str, Array], _get: object) -> Outputs:
    return {"mel": melspectrogram(inputs["wav"], "zeros")}


def _both_paddings(_case: Case, inputs: Mapping[str, Array], _get: object) -> Outputs:
    return {
        "mel_librosa07": melspectrogram(inputs["wav"], "reflect"),
        "mel_librosa09": melspectrogram(inputs["wav"], "zeros"),
    }


#: Kinds that need nothing but this package.
MEL_KINDS = {
    ("frontend", "basis"): Kind(_basis, MATHS),
    ("frontend", "sad_mel"): Kind(_zero_padded, MATHS),
    ("frontend", "w2l_mel"): Kind(_both_paddings, MATHS),
}
