"""What the containers of an image do once they are started: decided by the image's tag, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a container behaves; spans are (shortest, longest) seconds of world time.

    `exits_after` counts from RUNNING; `chance` is the share of containers that show the fault at all.
    """

    name: str
    pull_error: str = ""
    exit_code: int | None = None
    exit_reason: str = ""
    exits_after: tuple[float, float] = (0.0, 0.0)
    chance: float = 1.0
    healthy_after: tuple[float, float] = (2.0, 6.0)
    never_healthy: bool = False
    grows: bool = False


OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"

HEALTHY = Behaviour("healthy")

BEHAVIOURS: dict[str, Behaviour] = {
    "-crash": Behaviour("crash", exit_code=1, exits_after=(3.0, 8.0)),
    "-oom": Behaviour("oom", exit_code=137, exit_reason=OUT_OF_MEMORY, exits_after=(15.0, 35.0), grows=True),
    "-leak": Behaviour(
        "leak", exit_code=137, exit_reason=OUT_OF_MEMORY, exits_after=(600.0, 1500.0), grows=True
    ),
    "-flaky": Behaviour("flaky", exit_code=1, exits_after=(3.0, 8.0), chance=0.4),
    "-missing": Behaviour("missing", pull_error="missing"),
    "-noauth": Behaviour("noauth", pull_error="noauth"),
    "-arch": Behaviour("arch", pull_error="arch"),
    "-slow": Behaviour("slow", healthy_after=(120.0, 180.0)),
    "-unhealthy": Behaviour("unhealthy", never_healthy=True),
}


def tag_of(reference: str) -> str:
    """Return the tag of an image reference; `latest` when it has none."""
    bare = reference.split("@", 1)[0]
    name = bare.rsplit("/", 1)[-1]
    return name.partition(":")[2] or "latest"


def behaviour_of(reference: str) -> Behaviour:
    """Return what an image does, by the end of its tag."""
    tag = tag_of(reference)
    for ending, behaviour in BEHAVIOURS.items():
        if tag.endswith(ending) or f"{ending}-" in tag:
            return behaviour
    return HEALTHY


def architecture_of(reference: str) -> str:
    """Return for which architecture an image of ECR was built: `-arm64` in its tag, and `-arch` by mistake."""
    is_mistaken = behaviour_of(reference).pull_error == "arch"
    return "arm64" if is_mistaken or "-arm64" in tag_of(reference) else "amd64"
