"""What PostgreSQL adds to a gallery: indexes for large collections, and deletion from the files."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.adapters.postgres import Database, migrate
from facefleet.adapters.postgres_gallery import PostgresGallery
from facefleet.core.faces import Box, EnrolledFace, Template

RNG = np.random.default_rng(11)
SIZES = {"large": (2000, 128), "larger": (1500, 64), "small": (100, 128)}
LIMIT = 1000


def faces_of(collection_id: str, count: int, dimensions: int) -> list[EnrolledFace]:
    """Faces of persons with five photos each, as alike as a good model makes them."""
    persons = RNG.normal(size=(count // 5, dimensions))
    vectors = np.repeat(persons, 5, axis=0) + 0.7 * RNG.normal(size=(count, dimensions))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return [
        EnrolledFace(
            face_id=f"{n:06}",
            collection_id=collection_id,
            image_id=f"{n}",
            person=None,
            external_image_id=None,
            photo_sha256=f"{n:064x}",
            box=Box(left=0, top=0, width=1, height=1),
            landmarks=(),
            confidence=1.0,
            quality=None,
            pose=None,
            crop_key=None,
            created_s=0.0,
            template=Template(model_id="m", vector=vector),
        )
        for n, vector in enumerate(vectors)
    ]


@pytest.fixture
async def database(postgres_url):
    """One connection, since each tells its statistics on its own."""
    async with Database(postgres_url, max_connections=1) as database:
        yield database


@pytest.fixture
async def galleries(database):
    """A gallery that indexes from a thousand faces on, one that never does, and what is in both."""
    gallery = PostgresGallery(database, exact_up_to=LIMIT)
    enrolled = {}
    for collection_id, (count, dimensions) in SIZES.items():
        await gallery.create_collection(collection_id, model_id="m", tags={})
        enrolled[collection_id] = faces_of(collection_id, count, dimensions)
        await gallery.enrol(enrolled[collection_id])
    yield gallery, PostgresGallery(database), enrolled
    for collection_id in SIZES:
        await gallery.delete_collection(collection_id)
    async with asyncio.timeout(60):
        while await indexes(database):  # whoever maintained last lets go of its lock a moment after its connection ends
            await gallery.maintain()


async def indexes(database) -> list[str]:
    rows = await database.run(
        "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indrelid = 'faces'::regclass"
        " AND indisvalid AND indexrelid::regclass::text LIKE 'faces_near_%%' ORDER BY 1"
    )
    return [row[0] for row in rows]


async def scans(database) -> list[int]:
    """How often each index of a collection was searched."""
    await database.run("SELECT pg_stat_force_next_flush()")
    rows = await database.run(
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE starts_with(indexrelname, 'faces_near_')"
    )
    return [row[0] for row in rows]


async def found(gallery, collection_id, faces, limit=10, **options):
    probes = [face.template for face in faces]
    results = await gallery.search(collection_id, probes, limit=limit, **options)
    return [{candidate.face.face_id for candidate in candidates} for candidates in results]


async def test_large_collections_are_indexed_and_found_as_without(galleries, database):
    """An index finds at least 95 % of what scoring every face finds, in its own collection only."""
    gallery, exact, enrolled = galleries
    await gallery.maintain()
    large, larger = await indexes(database)
    assert "'large'" in large
    assert "'larger'" in larger
    for collection_id in SIZES:
        probes = enrolled[collection_id][::25]
        truth = await found(exact, collection_id, probes)  # its first search in a collection takes no index
        await found(gallery, collection_id, probes[:1])
        by_index = await found(gallery, collection_id, probes)
        recall = np.mean([len(a & b) / len(a) for a, b in zip(truth, by_index, strict=True)])
        assert recall >= 0.95
    assert min(await scans(database)) > 0


async def test_an_index_sees_what_was_enrolled_and_deleted_after_it_was_made(galleries):
    """Maintenance is not needed for a search to be up to date."""
    gallery, _, enrolled = galleries
    await gallery.maintain()
    await found(gallery, "large", enrolled["large"][:1])
    gone, model = enrolled["large"][3], enrolled["large"][3].template
    new = replace(gone, face_id="new", template=replace(model, vector=-model.vector))
    await gallery.enrol([new])
    await gallery.delete_faces("large", [gone.face_id])
    (near_new, near_gone) = await found(gallery, "large", [new, gone], limit=400)
    assert "new" in near_new
    assert gone.face_id not in near_gone


async def test_an_index_finds_named_faces_behind_unnamed_ones(galleries, database):
    """It reads on where all of the 400 nearest, which is how many it looks at, are nobody's."""
    gallery, exact, enrolled = galleries
    probe = enrolled["large"][0].template
    by_score = sorted(enrolled["large"], key=lambda face: -float(face.template.vector @ probe.vector))
    for number in range(10):
        theirs = [face.face_id for face in by_score[1000 + number :: 10]]
        await gallery.create_person("large", f"person {number}")
        await gallery.associate("large", theirs, f"person {number}", most_faces=100)
    await gallery.maintain()
    await found(gallery, "large", by_score[:1])
    before = sum(await scans(database))
    options = {"limit": 10, "named_except": ["person 0", "person 1"]}
    (truth,) = await found(exact, "large", by_score[:1], **options)
    await database.run("SET enable_sort = off")  # among so few faces the database would rather score those with names
    (by_index,) = await found(gallery, "large", by_score[:1], **options)
    assert len(by_index) == 10
    assert len(by_index & truth) >= 9
    assert sum(await scans(database)) == before + 1


async def test_more_candidates_than_an_index_gives_are_found_without(galleries):
    """A large limit is honoured to the last candidate."""
    gallery, _, enrolled = galleries
    await gallery.maintain()
    for _ in range(2):
        (all_of_them,) = await found(gallery, "large", enrolled["large"][:1], limit=1900)
        assert len(all_of_them) == 1900


async def test_maintenance_is_done_by_one_at_a_time_and_may_be_repeated(galleries, database):
    """Two housekeepers do not get in each other's way."""
    gallery, other, _ = galleries
    await gallery.maintain()
    before = await indexes(database)
    await other.maintain()
    await gallery.maintain()
    assert await indexes(database) == before


async def test_a_person_who_is_deleted_while_faces_come_is_made_anew(database, postgres_url):
    """Who came first is deleted, and what comes after is kept: neither fails."""
    face = faces_of("staff", 5, 128)[0]
    async with Database(postgres_url) as elsewhere:
        gallery = PostgresGallery(elsewhere)
        await gallery.create_collection("staff", model_id="m", tags={})
        await gallery.create_person("staff", "Ada")
        async with database.transaction() as deletion:
            await deletion.execute("SELECT 1 FROM persons WHERE collection_id = 'staff' AND person = 'Ada' FOR UPDATE")
            coming = asyncio.create_task(gallery.enrol([replace(face, person="Ada")]))
            await blocked(elsewhere)
            await deletion.execute("DELETE FROM persons WHERE collection_id = 'staff' AND person = 'Ada'")
        assert [one.person for one in await coming] == ["Ada"]
        assert [one.faces for one in (await gallery.persons("staff", limit=2)).items] == [1]
        await gallery.delete_collection("staff")


async def blocked(database) -> None:
    """Wait until some statement waits for a lock."""
    async with asyncio.timeout(30):
        while not await database.run("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)


async def test_enrolments_of_the_same_persons_do_not_deadlock(postgres_url):
    """In whatever order their photos show them."""
    faces = [replace(face, person=f"{n}") for n, face in enumerate(faces_of("staff", 10, 128))]
    async with Database(postgres_url) as database:
        gallery = PostgresGallery(database)
        await gallery.create_collection("staff", model_id="m", tags={})
        orders = [faces if n % 2 else faces[::-1] for n in range(8)]
        await asyncio.gather(
            *(
                gallery.enrol([replace(face, face_id=f"{n}-{face.face_id}") for face in one])
                for n, one in enumerate(orders)
            )
        )
        assert (await gallery.collection("staff")).faces == 10
        await gallery.delete_collection("staff")


async def test_deleted_templates_leave_the_table(galleries, database):
    """Maintenance vacuums what was deleted; nothing is left to the server's own leisure."""
    gallery, _, enrolled = galleries
    await database.run("ALTER TABLE faces SET (autovacuum_enabled = off)")  # it would come in between once a minute
    try:
        await gallery.delete_faces("large", [face.face_id for face in enrolled["large"]])
        await database.run("SELECT pg_stat_force_next_flush()")
        _, vacuumed_before = await dead_rows(database)
        await gallery.maintain()
        dead, vacuumed = await dead_rows(database)
    finally:
        await database.run("ALTER TABLE faces RESET (autovacuum_enabled)")
    assert (dead, vacuumed) == (0, vacuumed_before + 1)


async def test_a_deleted_template_cannot_be_read_in_the_files_of_the_tables():
    """A vacuum alone leaves the bytes where they were, until something else takes the room."""
    with tempfile.TemporaryDirectory(prefix="facefleet-") as folder, EmbeddedPostgres(Path(folder)) as server:
        await migrate(server.url())
        async with Database(server.url(), max_connections=1) as database:
            gallery = PostgresGallery(database)
            kept, *gone = faces_of("few", 20, 128)
            await gallery.create_collection("few", model_id="m", tags={})
            await gallery.enrol([kept, *gone])
            await gallery.delete_faces("few", [face.face_id for face in gone])
            await database.run("SELECT pg_stat_force_next_flush()")
            await gallery.maintain()
        server.stop()  # what it had in memory is in the files
        assert await asyncio.to_thread(faces_in, Path(folder) / "data" / "base", [kept, *gone]) == {kept.face_id}


def faces_in(folder: Path, faces: list[EnrolledFace]) -> set[str]:
    """Return whose templates are in some file."""
    files = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    return {face.face_id for face in faces if any(face.template.vector.tobytes() in file for file in files)}


async def test_nobody_waits_for_a_dump_so_that_deleted_faces_are_erased(galleries, database, postgres_url):
    """The table is written anew another time."""
    _, gallery, enrolled = galleries
    await gallery.delete_faces("small", [face.face_id for face in enrolled["small"]])
    await database.run("SELECT pg_stat_force_next_flush()")
    await database.run("DELETE FROM erased")  # of other tests, a moment ago
    file = "SELECT pg_relation_filenode('faces')"
    before = await database.run(file)
    async with Database(postgres_url) as other, other.transaction() as dump:
        await dump.execute("LOCK TABLE faces IN ACCESS SHARE MODE")
        await gallery.maintain()
        assert await database.run(file) == before
    async with asyncio.timeout(60):
        while await database.run(file) == before:
            await gallery.maintain()
    after = await database.run(file)
    await gallery.delete_faces("larger", [face.face_id for face in enrolled["larger"]])
    await database.run("SELECT pg_stat_force_next_flush()")
    await gallery.maintain()
    assert await database.run(file) == after  # a few minutes later is early enough


async def test_what_an_older_transaction_still_sees_is_erased_later(galleries, database, postgres_url):
    """Writing the table anew takes along what that transaction may yet read."""
    _, gallery, enrolled = galleries
    await database.run("DELETE FROM erased")
    async with Database(postgres_url) as other, other.transaction() as older:
        await older.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await older.execute("SELECT 1 FROM collections")
        await gallery.delete_faces("small", [face.face_id for face in enrolled["small"]])
        await database.run("SELECT pg_stat_force_next_flush()")
        async with asyncio.timeout(60):
            while not await database.run("SELECT 1 FROM erased"):
                await gallery.maintain()
    assert await database.run("SELECT mark FROM erased") == [("",)]


async def dead_rows(database) -> tuple[int, int]:
    (row,) = await database.run(
        "SELECT n_dead_tup, vacuum_count FROM pg_stat_user_tables WHERE relid = 'faces'::regclass"
    )
    return row
