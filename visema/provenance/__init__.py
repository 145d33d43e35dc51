"""Where a film comes from: every mp4 that Visema writes says that it is synthetic, and has an id to look up.

Three statements, each of which survives what another does not: the comment of the MP4 itself (players show it, and
FFmpeg keeps it when it copies streams), an XMP packet with IPTC's digital source type, and, where the package
``c2pa-python`` is installed, a signed C2PA manifest that also proves that nothing was changed since.
"""

from visema.provenance.facts import Facts, facts_of
from visema.provenance.marking import Mark, Read, mark, read_mark

__all__ = ["Facts", "Mark", "Read", "facts_of", "mark", "read_mark"]
