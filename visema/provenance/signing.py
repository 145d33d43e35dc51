"""Signed C2PA manifests, by the package ``c2pa-python`` where it is installed.

The certificate is made here once and kept in the cache. It proves that a film came from this machine and was not
changed since; that the machine is somebody known takes a certificate of a trust list, put in its place.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from importlib import util
from pathlib import Path
from typing import Any, Final

from visema import __version__, settings
from visema.locking import file_lock
from visema.paths import atomic_folder, cache_dir
from visema.provenance.facts import SOURCE_TYPES, Facts

#: Files in the folder, which is ``provenance`` in the cache unless ``VISEMA_PROVENANCE`` names another. The chain and
#: key of an authority may be put there to sign with them.
CHAIN, KEY = "chain.pem", "key.pem"
#: Label of our assertion.
ASSERTION: Final = "org.visema.facts"
_YEARS: Final = 10


def available() -> bool:
    """Whether films can be signed: the packages are installed, and nobody said no (``VISEMA_C2PA=0``)."""
    return settings.C2PA.of() and installed()


def installed() -> bool:
    """Whether the packages are there that sign, and that check a signature."""
    return all(util.find_spec(name) is not None for name in ("c2pa", "cryptography"))


def sign(source: Path, target: Path, film: str, facts: Facts) -> None:
    """Write ``source`` to ``target`` with a manifest.

    Args:
        source: An mp4.
        target: Another file, which is overwritten.
        film: Id of the film.
        facts: How it was made.

    Raises:
        OutputError: The certificate cannot be kept.
        c2pa.C2paError: The library refuses.
        OSError: The disk refuses.
    """
    import c2pa

    folder = credentials()
    key = (folder / KEY).read_bytes()
    info = c2pa.C2paSignerInfo(_algorithm(key), (folder / CHAIN).read_bytes(), key, None)
    manifest = json.dumps(_manifest(film, facts))
    with (
        c2pa.Signer.from_info(info) as signer,
        c2pa.Builder.from_json(manifest) as builder,
        source.open("rb") as read,
        target.open("w+b") as written,
    ):
        builder.sign(signer, "video/mp4", read, written)


def read(path: Path) -> dict[str, Any] | None:
    """What the manifest of a file says, None where it has none.

    Returns:
        ``state`` (``Valid``: unchanged since it was signed; ``Trusted``: by somebody on a trust list; ``Invalid``),
        ``signer``, ``id`` and ``facts``.
    """
    import c2pa

    facts: dict[str, Any]
    try:
        with c2pa.Reader(str(path)) as reader:
            told = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError as e:
        return {"state": "Invalid", "signer": "", "id": "", "facts": {}, "reason": str(e)[:200]}
    active = told.get("manifests", {}).get(told.get("active_manifest"), {})
    facts = next((a["data"] for a in active.get("assertions", []) if a.get("label") == ASSERTION), {})
    return {
        "state": str(told.get("validation_state", "Invalid")),
        "signer": str(active.get("signature_info", {}).get("issuer", "")),
        "id": str(facts.get("id", "")),
        "facts": facts,
    }


def credentials() -> Path:
    """The folder of certificate chain and key, made on first use; the key is readable by its owner alone.

    Raises:
        OutputError: The cache cannot be written.
    """
    folder = settings.PROVENANCE.of() or cache_dir() / "provenance"
    if (folder / KEY).is_file() and (folder / CHAIN).is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(folder.parent / ".provenance.lock", "making the certificate that films are signed with"):
        if not ((folder / KEY).is_file() and (folder / CHAIN).is_file()):
            chain, key = _make_certificate()
            with atomic_folder(folder) as temporary:
                (temporary / CHAIN).write_bytes(chain)
                with os.fdopen(os.open(temporary / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(key)
    return folder


def signer() -> str:
    """Who signs films here, and until when the certificate holds; it is made if need be.

    Raises:
        OutputError: The cache cannot be written.
        ValueError: It is no certificate.
    """
    from cryptography import x509

    found = x509.load_pem_x509_certificates((credentials() / CHAIN).read_bytes())[0]
    issuer = found.issuer.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    return f"{str(issuer[0].value) if issuer else 'a certificate'}, until {found.not_valid_after_utc:%Y-%m-%d}"


def _manifest(film: str, facts: Facts) -> dict[str, Any]:
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPES + facts.source_type}
    return {
        "claim_generator_info": [{"name": "Visema", "version": __version__}],
        "title": f"Film {film}",
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": ASSERTION, "data": {"id": film, **facts.public()}},
        ],
    }


def _algorithm(key: bytes) -> bytes:
    """C2PA's name of the signature that a key makes."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    found = load_pem_private_key(key, None)
    if isinstance(found, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    if isinstance(found, ec.EllipticCurvePrivateKey):
        return {"secp384r1": b"es384", "secp521r1": b"es512"}.get(found.curve.name, b"es256")
    return b"ps256"


def _make_certificate() -> tuple[bytes, bytes]:
    """Chain and key, PEM: of an authority of our own and the signer, as C2PA takes none that stands alone."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(what: str) -> x509.Name:
        organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Visema (self-made)")
        return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, what)])

    def usage(*, authority: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=not authority,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=authority,
            crl_sign=authority,
            encipher_only=False,
            decipher_only=False,
        )

    root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(timezone.utc) - timedelta(minutes=5)  # a clock may be set back a little
    blank = (
        x509.CertificateBuilder()
        .issuer_name(name("films of this machine"))
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=365 * _YEARS))
    )
    authority = (
        blank.subject_name(name("films of this machine"))
        .public_key(root.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root.public_key()), critical=False)
        .sign(root, hashes.SHA256())
    )
    signer = (
        blank.subject_name(name("film signer"))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        .sign(root, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return signer.public_bytes(pem) + authority.public_bytes(pem), key
