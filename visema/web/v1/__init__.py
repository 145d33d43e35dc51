"""The platform's API, everything under ``/api/v1``: avatars, voices, speech, jobs, batches, and what was used."""
