"""Faces: landmarks, head pose, tracking through a video, and what may be wrong with one."""
