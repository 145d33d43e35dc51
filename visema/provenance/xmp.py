"""The XMP packet of a film: IPTC's digital source type, the id and the facts."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from visema.provenance.facts import SOURCE_TYPES

#: Bytes; ours have 1500.
MOST: Final = 1 << 16
_OURS: Final = "urn:visema:provenance:1#"
_IPTC: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP: Final = "http://ns.adobe.com/xap/1.0/"


def packet(film: str, source_type: str, facts: dict[str, str], tool: str) -> bytes:
    """An XMP packet.

    Args:
        film: Id.
        source_type: Last part of IPTC's address.
        facts: Plain names and what they are.
        tool: Who made it.
    """
    own = "".join(f"\n    visema:{name}={quoteattr(value)}" for name, value in sorted(facts.items()))
    text = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{_RDF}">
  <rdf:Description rdf:about=""
    xmlns:xmp="{_XMP}" xmlns:Iptc4xmpExt="{_IPTC}" xmlns:visema="{_OURS}"
    xmp:CreatorTool={quoteattr(tool)}
    Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPES}{source_type}"
    visema:id="{film}"{own}/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
    return text.encode()


def read(content: bytes) -> dict[str, str]:
    """The facts in a packet, with ``id`` and ``source_type``; empty where it is not one of ours, or damaged."""
    if b"<!" in content:  # entities and document types, which a packet has no use for
        return {}
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError):
        return {}
    found: dict[str, str] = {}
    for about in root.iter(f"{{{_RDF}}}Description"):
        for name, value in about.attrib.items():
            if name.startswith(f"{{{_OURS}}}"):
                found[name.partition("}")[2]] = value
            elif name == f"{{{_IPTC}}}DigitalSourceType":
                found["source_type"] = value.rpartition("/")[2]
    return found if "id" in found else {}
