"""How fast a gallery in PostgreSQL is searched, scoring every face and by index, and what an index misses.

    python benchmarks/postgres_gallery.py --faces 20000

Templates are drawn like those of a good model: persons apart, photos of one person close together.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.adapters.postgres import Database, migrate
from facefleet.adapters.postgres_gallery import PostgresGallery
from facefleet.core.faces import Box, EnrolledFace, Template

MODEL, DIMENSIONS, PHOTOS = "benchmark", 128, 4
PROBES, CANDIDATES = 100, 5


def templates(rng: np.random.Generator, persons: np.ndarray) -> np.ndarray:
    vectors = persons + 0.6 * rng.normal(size=persons.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def a_face(number: int, vector: np.ndarray) -> EnrolledFace:
    return EnrolledFace(
        face_id=f"{number:036}",
        collection_id="c",
        image_id=f"{number:036}",
        person=f"person {number // PHOTOS}",
        external_image_id=None,
        photo_sha256=f"{number:064x}",
        box=Box(left=0.25, top=0.25, width=0.5, height=0.5),
        landmarks=((0.4, 0.4), (0.6, 0.4), (0.5, 0.5), (0.4, 0.6), (0.6, 0.6)),
        confidence=1.0,
        quality=None,
        pose=None,
        crop_key=f"crops/{number:036}.png",
        created_s=0.0,
        template=Template(model_id=MODEL, vector=vector),
    )


async def search(gallery: PostgresGallery, probes: list[Template]) -> tuple[list[float], list[set[str]]]:
    """Return the milliseconds of each search, and what was found."""
    took_ms, found = [], []
    for probe in probes:
        started_s = time.perf_counter()
        (candidates,) = await gallery.search("c", [probe], limit=CANDIDATES)
        took_ms.append(1000 * (time.perf_counter() - started_s))
        found.append({candidate.face.face_id for candidate in candidates})
    return took_ms[1:], found[1:]  # the first search learns whether there is an index


async def measure(url: str, count: int) -> None:
    await migrate(url)
    rng = np.random.default_rng(1)
    persons = rng.normal(size=(count // PHOTOS, DIMENSIONS))
    vectors = templates(rng, np.repeat(persons, PHOTOS, axis=0))
    probes = [Template(model_id=MODEL, vector=vector) for vector in templates(rng, persons[:PROBES])]
    async with Database(url) as database:
        gallery = PostgresGallery(database, exact_up_to=0)
        await gallery.create_collection("c", model_id=MODEL, tags={})
        started_s = time.perf_counter()
        for begin in range(0, count, 500):
            await gallery.enrol([a_face(n, vectors[n]) for n in range(begin, min(begin + 500, count))])
        print(f"enrol, 500 at a time:    {count / (time.perf_counter() - started_s):8.0f} /s")
        exact_ms, truth = await search(gallery, probes)
        print(f"search, scoring {count}: p50 {statistics.median(exact_ms):6.1f} ms")
        started_s = time.perf_counter()
        await gallery.maintain()
        print(f"make the index:          {time.perf_counter() - started_s:8.1f} s")
        index_ms, found = await search(gallery, probes)
        recall = statistics.mean(len(a & b) / len(a) for a, b in zip(truth, found, strict=True))
        print(
            f"search by index:         p50 {statistics.median(index_ms):6.1f} ms, recall {recall:.3f} of {CANDIDATES}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facefleet-") as folder, EmbeddedPostgres(Path(folder)) as server:
        asyncio.run(measure(server.url(), options.faces))


if __name__ == "__main__":
    main()
