"""A QR code as one SVG path: the policy allows neither inline styles nor images from data."""

from __future__ import annotations

from dataclasses import dataclass

import qrcode


@dataclass(frozen=True, slots=True)
class QrPath:
    """The side of the square in modules, quiet zone included, and the path of the dark ones."""

    side: int
    path: str


def qr_path(text: str) -> QrPath:
    code = qrcode.QRCode(border=2)
    code.add_data(text)
    code.make(fit=True)
    matrix = code.get_matrix()
    dark = [(x, y) for y, row in enumerate(matrix) for x, is_dark in enumerate(row) if is_dark]
    return QrPath(len(matrix), "".join(f"M{x} {y}h1v1h-1z" for x, y in dark))
