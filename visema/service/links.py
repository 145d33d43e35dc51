"""Links that open one file for anybody who has them, for a time: ``/files/<name>?expires=…&signature=…``."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import time
from typing import Final

from visema.service.secret import derive

#: A link holds no longer than this, as S3's do: seven days.
LONGEST_S: Final = 7 * 24 * 3600.0
_EXPIRES: Final = re.compile(r"\d{1,12}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


class Links:
    """Signs names with a secret of the server's.

    Args:
        secret: The server's own.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = derive(secret, "links")

    def sign(self, name: str, seconds: float) -> str:
        """The address of a file on this server, which holds for so long."""
        expires = math.ceil(time.time() + min(seconds, LONGEST_S))
        return f"/files/{name}?expires={expires}&signature={self._signature(name, str(expires))}"

    def opens(self, name: str, expires: str, signature: str) -> bool:
        """Whether such an address was signed here and still holds; a wrong signature takes as long as a right one."""
        if not (_EXPIRES.fullmatch(expires) and _SIGNATURE.fullmatch(signature)):
            return False
        right = hmac.compare_digest(self._signature(name, expires), signature)
        return right and time.time() < int(expires)

    def _signature(self, name: str, expires: str) -> str:
        return hmac.new(self._secret, f"{name}\n{expires}".encode(), hashlib.sha256).hexdigest()
