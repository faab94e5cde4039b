"""The forms in which a certificate spells codes."""

from __future__ import annotations

import re
from typing import Any

FORMS = "bits, signs, number, base 3, base 4, ..."
_BASES = {"bits": 2, "signs": 2, "number": 0}
_DIGITS = re.compile(r"base ([1-9][0-9]{0,18})")


def base_of(form: Any) -> int | None:
    """The base of a code of this form: 2 of bits and signs, q >= 3 of the digits of `base q`, 0 of
    a number in one column; None where there is no such form.
    """
    if type(form) is not str:
        return None
    if digits := _DIGITS.fullmatch(form):
        return int(digits[1]) if int(digits[1]) > 2 else None
    return _BASES.get(form)
