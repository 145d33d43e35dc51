"""`--match-voice` and `--clone-voice`: a voice of one's own, from a recording and a consent."""

from __future__ import annotations

from visema.cli.arguments import Options
from visema.errors import InputError


def make_voice(options: Options) -> int:
    """Make the voice, and say how near it is.

    Raises:
        VisemaError: It cannot be made.
    """
    from visema.consent import Consent
    from visema.speech.own_voices import make_clone, make_match

    recording = options.match_voice or options.clone_voice
    assert recording
    if not recording.is_file():
        raise InputError(f"There is no file {recording}.", "Give a recording of one person's speech.")
    if not options.voice_name:
        raise InputError("The new voice has no name.", "Add --voice-name NAME.")
    consent = Consent.given(options.consent, options.consent_by)
    if options.clone_voice:
        if options.match_voice:
            raise InputError("--match-voice and --clone-voice are two things.", "Use one of them.")
        if options.offline:
            raise InputError("--clone-voice sends the recording to ElevenLabs.", "Leave out --offline.")
        own = make_clone(recording, options.voice_name, consent)
        print(f"ElevenLabs has cloned the voice: {own.base}.")
    else:
        own = make_match(recording, options.voice_name, consent, options.language or "en-US")
        found = own.match
        assert found
        print(f"A voice match, not a clone: {found.base}, rate {found.rate:g}, pitch {found.pitch:+.1f} semitones.")
        for name, away in (("before", found.before), ("now", found.after)):
            print(
                f"  {name + ':':<8} pitch {away.semitones:+5.1f} semitones from the sample's "
                f"{found.sample.pitch:.0f} Hz, rate {away.rate:4.0%} of it, timbre {away.colour:.1f} dB off"
            )
    print(f"The consent of {consent.who} is kept with it. Speak with --voice voice:{own.name}")
    return 0
