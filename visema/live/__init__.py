"""The live view: stages on which avatars talk to browsers, sound first, and only the pixels that change."""
