"""An image as moto's ECR keeps it; apart from the registry, because moto is loaded only when it is needed."""

from __future__ import annotations

import json

from moto.ecr.models import Image


class PushedImage(Image):
    """An image of which the sandbox has the configuration; its size is that of its layers, as ECR counts it."""

    configuration = b""

    def get_image_size_in_bytes(self) -> int:
        return sum(int(layer["size"]) for layer in json.loads(self.image_manifest)["layers"])
