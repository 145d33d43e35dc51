"""Wav2Lip: a mouth drawn from 200 ms of speech, and the two networks it was trained against."""
