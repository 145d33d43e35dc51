"""Voices of other services and programs: ElevenLabs, OpenAI, Coqui XTTS and Piper, behind one interface."""
