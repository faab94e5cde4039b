"""The forms in which a certificate names codes."""

from __future__ import annotations

from typing import Any

FORMS = "bits, signs, number, base 3, base 4, ..."
_BASES = {"bits": 2, "signs": 2, "number": 0}


def base_of(form: Any) -> int | None:
    """The base of a code of this form: 2 of bits and signs, q >= 3 of the digits of `base q`, 0 of
    a number in one column; None where there is no such form.
    """
    if type(form) is not str:
        return None
    digits = form.removeprefix("base ")
    if digits == form:
        return _BASES.get(form)
    plain = digits.isascii() and digits.isdecimal() and digits[0] != "0" and len(digits) < 20
    return int(digits) if plain and int(digits) > 2 else None
