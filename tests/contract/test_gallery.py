"""What every gallery promises, whatever technology is behind it."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from facefleet.core.centroid import centroid
from facefleet.core.faces import Box, EnrolledFace, Person, Pose, Quality, Template
from facefleet.errors import AlreadyExists, IncompatibleTemplates, LimitExceeded, NotFound

MODEL = "resnet-128"
RNG = np.random.default_rng(7)


def unit(vector) -> np.ndarray:
    return (np.asarray(vector) / np.linalg.norm(vector)).astype(np.float32)


def a_template(vector=None, model_id=MODEL) -> Template:
    return Template(model_id=model_id, vector=unit(RNG.normal(size=128) if vector is None else vector))


def a_face(number: int, **changes) -> EnrolledFace:
    plain = {
        "face_id": f"face-{number:04}",
        "collection_id": "staff",
        "image_id": f"image-{number}",
        "person": None,
        "external_image_id": f"badge {number}",
        "photo_sha256": f"{number:064x}",
        "box": Box(left=0.1, top=0.2, width=0.3, height=0.4),
        "landmarks": ((0.1, 0.2), (0.3, 0.4), (0.5, 0.6), (0.7, 0.8), (0.9, 1.0)),
        "confidence": 0.997,
        "quality": Quality(brightness=61.5, sharpness=80.25),
        "pose": Pose(roll=-3.5, yaw=10.0, pitch=0.125),
        "crop_key": f"crops/{number}.png",
        "created_s": 1_700_000_000.5 + number,
        "template": a_template(),
    }
    return EnrolledFace(**(plain | changes))


def bare(face: EnrolledFace) -> EnrolledFace:
    return replace(face, template=None)


def ids(faces) -> list[str]:
    return [face.face_id for face in faces]


async def all_pages(listing, name, **arguments):
    """Follow a listing two at a time; every page but the last is full."""
    items, after = [], None
    while True:
        page = await listing(limit=2, after=after, **arguments)
        items += page.items
        if page.next_after is None:
            return [getattr(item, name) for item in items]
        assert len(page.items) == 2
        after = page.next_after


@pytest.fixture(autouse=True)
async def staff(gallery):
    return await gallery.create_collection("staff", model_id=MODEL, tags={"site": "Zürich"})


class TestCollections:
    async def test_a_collection_is_kept_as_it_was_created(self, gallery, staff):
        """Name, model and tags are found again, counts are right."""
        assert (staff.collection_id, staff.model_id, staff.tags) == ("staff", MODEL, {"site": "Zürich"})
        await gallery.enrol([a_face(1, person="Ada"), a_face(2, person="Ada"), a_face(3)])
        await gallery.create_person("staff", "Grace")
        assert await gallery.collection("staff") == replace(staff, faces=3, persons=2)

    async def test_a_name_is_taken_once(self, gallery):
        """Creating a collection twice is an error and changes nothing."""
        with pytest.raises(AlreadyExists):
            await gallery.create_collection("staff", model_id="other", tags={})
        assert (await gallery.collection("staff")).model_id == MODEL

    async def test_collections_are_listed_by_name_and_paged(self, gallery):
        """Every collection comes once, capital letters before small ones."""
        for name in ("visitors", "Zoo", "alumni", "ärzte"):
            await gallery.create_collection(name, model_id=MODEL, tags={})
        names = await all_pages(gallery.collections, "collection_id")
        assert names == ["Zoo", "alumni", "staff", "visitors", "ärzte"]

    async def test_tags_are_added_replaced_and_removed(self, gallery):
        """By name; the others stay as they are."""
        await gallery.add_tags("staff", {"floor": "3", "door": "a"}, most_tags=9)
        await gallery.add_tags("staff", {"floor": "4"}, most_tags=9)
        await gallery.remove_tags("staff", ["site", "never there"])
        assert (await gallery.collection("staff")).tags == {"floor": "4", "door": "a"}

    async def test_too_many_tags_are_none(self, gallery):
        """One too many, and nothing is changed; replacing adds none."""
        with pytest.raises(LimitExceeded):
            await gallery.add_tags("staff", {"site": "Bern", "floor": "3"}, most_tags=1)
        assert (await gallery.collection("staff")).tags == {"site": "Zürich"}
        await gallery.add_tags("staff", {"site": "Bern"}, most_tags=1)
        assert (await gallery.collection("staff")).tags == {"site": "Bern"}

    async def test_tags_that_are_changed_at_once_are_all_changed(self, gallery):
        """Nobody writes back what they read before somebody else wrote; the limit holds for all together."""
        for n in range(5):
            await gallery.add_tags("staff", {f"old {n}": ""}, most_tags=9)
        changes = [gallery.add_tags("staff", {f"new {n}": ""}, most_tags=99) for n in range(5)]
        changes += [gallery.remove_tags("staff", [f"old {n}"]) for n in range(5)]
        await asyncio.gather(*changes)
        assert (await gallery.collection("staff")).tags.keys() == {"site", *(f"new {n}" for n in range(5))}
        told = await asyncio.gather(
            *(gallery.add_tags("staff", {f"more {n}": ""}, most_tags=8) for n in range(5)), return_exceptions=True
        )
        assert [type(one) for one in told if one is not None] == [LimitExceeded] * 3

    async def test_deleting_a_collection_leaves_nothing(self, gallery):
        """Faces, persons and tags go; the crops' keys are handed back; the name is free again."""
        await gallery.enrol([a_face(1, person="Ada"), a_face(2, crop_key=None)])
        assert list(await gallery.delete_collection("staff")) == ["crops/1.png"]
        with pytest.raises(NotFound):
            await gallery.collection("staff")
        again = await gallery.create_collection("staff", model_id="other", tags={})
        assert (again.faces, again.persons, again.tags) == (0, 0, {})
        assert (await gallery.faces("staff", limit=10)).items == ()

    async def test_an_unknown_collection_is_not_found_anywhere(self, gallery):
        """No operation takes an unknown collection for an empty one."""
        calls = [
            gallery.collection("nowhere"),
            gallery.delete_collection("nowhere"),
            gallery.add_tags("nowhere", {}, most_tags=9),
            gallery.remove_tags("nowhere", ["site"]),
            gallery.enrol([a_face(1, collection_id="nowhere")]),
            gallery.face("nowhere", "face-0001"),
            gallery.faces("nowhere", limit=1),
            gallery.delete_faces("nowhere", ["face-0001"]),
            gallery.search("nowhere", [a_template()], limit=1),
            gallery.search("nowhere", [], limit=1),
            gallery.create_person("nowhere", "Ada"),
            gallery.delete_person("nowhere", "Ada", faces=True),
            gallery.persons("nowhere", limit=1),
            gallery.delete_faces("nowhere", ["face-0001"], named=False),
            gallery.associate("nowhere", ["face-0001"], "Ada", most_faces=9),
            gallery.disassociate("nowhere", ["face-0001"], "Ada"),
            gallery.person_templates("nowhere", "Ada"),
            gallery.centroids("nowhere", ["Ada"]),
            gallery.centroids("nowhere", []),
        ]
        for call in calls:
            with pytest.raises(NotFound):
                await call


class TestEnrolment:
    async def test_a_face_is_kept_as_it_was_enrolled(self, gallery):
        """Every field comes back exactly, the template to the last bit."""
        face = a_face(1, person="Ada")
        (kept,) = await gallery.enrol([face])
        assert kept.face_id == face.face_id
        found = await gallery.face("staff", "face-0001")
        assert bare(found) == bare(face)
        assert found.template.model_id == MODEL
        assert found.template.vector.dtype == np.float32
        np.testing.assert_array_equal(found.template.vector, face.template.vector)

    async def test_what_is_unknown_stays_unknown(self, gallery):
        """Optional fields may be missing."""
        face = a_face(1, external_image_id=None, quality=None, pose=None, crop_key=None)
        await gallery.enrol([face])
        assert bare(await gallery.face("staff", "face-0001")) == bare(face)

    async def test_an_unknown_face_is_not_found(self, gallery):
        """A made-up id is the caller's mistake."""
        with pytest.raises(NotFound):
            await gallery.face("staff", "face-0001")

    async def test_enrolling_the_same_id_again_changes_nothing(self, gallery):
        """A repeated request enrols nothing twice."""
        await gallery.enrol([a_face(1)])
        (kept,) = await gallery.enrol([a_face(1, image_id="other")])
        assert kept.image_id == "image-1"
        assert (await gallery.collection("staff")).faces == 1

    async def test_the_same_photo_of_a_person_is_enrolled_once(self, gallery):
        """Running an import again adds nothing; another person or a nameless face in that photo is added."""
        await gallery.enrol([a_face(1, person="Ada")])
        same = {"photo_sha256": a_face(1).photo_sha256}
        kept = await gallery.enrol(
            [a_face(2, person="Ada", **same), a_face(3, person="Grace", **same), a_face(4, **same), a_face(5, **same)]
        )
        assert ids(kept) == ["face-0001", "face-0003", "face-0004", "face-0005"]
        kept = await gallery.enrol([a_face(6, person="Bob"), a_face(7, person="Bob", photo_sha256=f"{6:064x}")])
        assert ids(kept) == ["face-0006", "face-0006"]
        assert (await gallery.collection("staff")).faces == 5

    async def test_the_same_photo_sent_twice_at_once_is_enrolled_once(self, gallery):
        """Two workers with the same photo of one person end with one face, and both are told which."""
        photo = {"person": "Ada", "photo_sha256": "f" * 64}
        kept = await asyncio.gather(*(gallery.enrol([a_face(n, **photo)]) for n in range(8)))
        assert len({face.face_id for (face,) in kept}) == 1
        assert (await gallery.collection("staff")).faces == 1

    async def test_a_face_that_comes_twice_at_once_has_one_crop(self, gallery):
        """All are told which crop is kept, and so can delete their own."""
        kept = await asyncio.gather(*(gallery.enrol([a_face(1, crop_key=f"crops/{n}.png")]) for n in range(8)))
        stands = await gallery.face("staff", "face-0001")
        assert {face.crop_key for (face,) in kept} == {stands.crop_key}

    async def test_a_photo_may_be_enrolled_again_after_its_face_was_deleted(self, gallery):
        """Nothing remembers a deleted face."""
        await gallery.enrol([a_face(1, person="Ada")])
        await gallery.delete_faces("staff", ["face-0001"])
        (kept,) = await gallery.enrol([a_face(2, person="Ada", photo_sha256=a_face(1).photo_sha256)])
        assert kept.face_id == "face-0002"

    async def test_templates_of_another_model_are_refused_whole(self, gallery):
        """One template of another model, and none of the faces is added."""
        with pytest.raises(IncompatibleTemplates):
            await gallery.enrol([a_face(1, person="Ada"), a_face(2, template=a_template(model_id="other"))])
        assert (await gallery.collection("staff")).faces == 0
        assert (await gallery.persons("staff", limit=1)).items == ()

    async def test_faces_are_listed_by_id_and_paged(self, gallery):
        """Every face comes once, without its template."""
        await gallery.enrol([a_face(number) for number in (3, 1, 5, 2, 4)])
        assert await all_pages(gallery.faces, "face_id", collection_id="staff") == [f"face-000{n}" for n in range(1, 6)]
        page = await gallery.faces("staff", limit=1)
        assert page.items[0].template is None

    async def test_faces_can_be_narrowed_to_a_person_or_to_ids(self, gallery):
        """Listing one person's faces, or chosen ones, or both."""
        await gallery.enrol([a_face(n, person="Ada" if n % 2 else "Grace") for n in range(1, 7)])
        assert await all_pages(gallery.faces, "face_id", collection_id="staff", person="Ada") == [
            "face-0001",
            "face-0003",
            "face-0005",
        ]
        chosen = {"face-0001", "face-0002", "face-9999"}
        assert ids((await gallery.faces("staff", limit=9, face_ids=chosen)).items) == ["face-0001", "face-0002"]
        assert ids((await gallery.faces("staff", limit=9, face_ids=chosen, person="Grace")).items) == ["face-0002"]
        assert (await gallery.faces("staff", limit=9, face_ids=[])).items == ()
        assert (await gallery.faces("staff", limit=9, person="Nobody")).items == ()

    async def test_deleting_faces_returns_those_that_were_there(self, gallery):
        """The caller learns which crops are now orphans."""
        await gallery.enrol([a_face(n) for n in (1, 2, 3)])
        gone = await gallery.delete_faces("staff", ["face-0003", "face-0001", "face-9999", "face-0001"])
        assert list(gone) == [bare(a_face(1)), bare(a_face(3))]
        assert ids((await gallery.faces("staff", limit=9)).items) == ["face-0002"]

    async def test_deleting_can_spare_the_faces_of_persons(self, gallery):
        """Which are told from the others as they are deleted."""
        await gallery.enrol([a_face(1, person="Ada"), a_face(2)])
        assert ids(await gallery.delete_faces("staff", ["face-0001", "face-0002"], named=False)) == ["face-0002"]
        assert ids((await gallery.faces("staff", limit=9)).items) == ["face-0001"]


class TestSearch:
    async def test_the_most_alike_come_first(self, gallery):
        """Candidates come by falling score, the score is the cosine, and the template stays in the gallery."""
        faces = [a_face(n) for n in range(50)]
        await gallery.enrol(faces)
        probe = a_template(faces[17].template.vector + 0.3 * unit(RNG.normal(size=128)))
        (found,) = await gallery.search("staff", [probe], limit=5)
        expected = sorted(faces, key=lambda face: -float(face.template.vector @ probe.vector))[:5]
        assert [candidate.face for candidate in found] == [bare(face) for face in expected]
        cosines = [float(face.template.vector @ probe.vector) for face in expected]
        assert [candidate.score for candidate in found] == pytest.approx(cosines, abs=1e-6)
        assert found[0].face.face_id == "face-0017"

    async def test_each_probe_has_its_own_candidates(self, gallery):
        """Several faces of one photo are searched at once and not mixed up."""
        faces = [a_face(n) for n in range(20)]
        await gallery.enrol(faces)
        found = await gallery.search("staff", [faces[n].template for n in (4, 9, 4)], limit=2)
        assert [candidates[0].face.face_id for candidates in found] == ["face-0004", "face-0009", "face-0004"]
        assert [len(candidates) for candidates in found] == [2, 2, 2]
        assert list(await gallery.search("staff", [], limit=2)) == []

    async def test_candidates_below_the_least_score_are_left_out(self, gallery):
        """A probe that resembles nobody finds nobody, beside one that does."""
        faces = [a_face(n) for n in range(10)]
        await gallery.enrol(faces)
        strange = a_template()
        alike, unlike = await gallery.search("staff", [faces[0].template, strange], limit=10, min_score=0.9)
        assert [candidate.face.face_id for candidate in alike] == ["face-0000"]
        assert list(unlike) == []
        (everyone,) = await gallery.search("staff", [strange], limit=100)
        assert len(everyone) == 10

    async def test_named_faces_can_be_searched_alone(self, gallery):
        """Nobody's faces take no place among the best, nor do those of persons who are not wanted."""
        probe = a_template()
        owners = [None, None, "Ada", "Ada", "Grace", None, "Mary"]
        faces = [
            a_face(n, person=person, template=a_template(probe.vector + 0.1 * n * unit(RNG.normal(size=128))))
            for n, person in enumerate(owners)
        ]
        await gallery.enrol(faces)

        async def found(limit, named_except, min_score=-1.0):
            probes = [probe, faces[6].template]
            near, _ = await gallery.search("staff", probes, limit=limit, min_score=min_score, named_except=named_except)
            return [candidate.face.face_id for candidate in near]

        assert await found(3, []) == ["face-0002", "face-0003", "face-0004"]
        assert await found(3, {"Ada", "Nobody"}) == ["face-0004", "face-0006"]
        assert await found(3, ["Ada", "Grace", "Mary"]) == []
        assert await found(3, None) == ["face-0000", "face-0001", "face-0002"]
        assert await found(3, [], min_score=0.97) == ["face-0002"]

    async def test_collections_do_not_see_each_other(self, gallery):
        """A search finds the faces of its own collection only, of whatever model the others are."""
        await gallery.create_collection("visitors", model_id="arc-512", tags={})
        mine = a_face(1)
        other = a_face(2, collection_id="visitors", template=a_template(RNG.normal(size=512), "arc-512"))
        await gallery.enrol([mine])
        await gallery.enrol([other])
        (found,) = await gallery.search("visitors", [other.template], limit=10)
        assert ids(candidate.face for candidate in found) == ["face-0002"]
        (found,) = await gallery.search("staff", [mine.template], limit=10)
        assert ids(candidate.face for candidate in found) == ["face-0001"]

    async def test_an_empty_collection_resembles_nobody(self, gallery):
        """Searching before anybody is enrolled is no error."""
        assert [list(found) for found in await gallery.search("staff", [a_template(), a_template()], limit=5)] == [
            [],
            [],
        ]

    async def test_a_probe_of_another_model_is_refused(self, gallery):
        """Templates of different models are never compared, even where they have as many numbers."""
        await gallery.enrol([a_face(1)])
        for other in (a_template(model_id="other"), a_template(RNG.normal(size=512), "arc-512")):
            with pytest.raises(IncompatibleTemplates):
                await gallery.search("staff", [other], limit=1)
            with pytest.raises(IncompatibleTemplates):
                await gallery.search("staff", [a_template(), other], limit=1)

    async def test_a_deleted_face_is_not_found(self, gallery):
        """Deletion takes effect with the next search, and after maintenance too."""
        faces = [a_face(1), a_face(2)]
        await gallery.enrol(faces)
        await gallery.delete_faces("staff", ["face-0001"])
        for _ in range(2):
            (found,) = await gallery.search("staff", [faces[0].template], limit=5)
            assert ids(candidate.face for candidate in found) == ["face-0002"]
            await gallery.maintain()


class TestPersons:
    async def test_persons_are_listed_by_name_with_their_faces_counted(self, gallery):
        """Whoever was enrolled or created is listed once."""
        await gallery.enrol([a_face(1, person="Grace"), a_face(2, person="Ada"), a_face(3, person="Grace"), a_face(4)])
        await gallery.create_person("staff", "Mary")
        await gallery.create_person("staff", "Émilie")
        page = await gallery.persons("staff", limit=9)
        assert [(person.person, person.faces) for person in page.items] == [
            ("Ada", 1),
            ("Grace", 2),
            ("Mary", 0),
            ("Émilie", 0),
        ]
        assert await all_pages(gallery.persons, "person", collection_id="staff") == ["Ada", "Grace", "Mary", "Émilie"]

    async def test_a_person_is_created_once(self, gallery):
        """Also one who came with a face."""
        await gallery.create_person("staff", "Mary")
        await gallery.enrol([a_face(1, person="Ada")])
        for name in ("Mary", "Ada"):
            with pytest.raises(AlreadyExists):
                await gallery.create_person("staff", name)

    async def test_a_person_who_is_created_while_the_collection_is_deleted_goes_with_it(self, gallery):
        """Or is too late; whoever creates them is to blame for nothing else."""
        for _ in range(40):
            _, *created = await asyncio.gather(
                gallery.delete_collection("staff"),
                *(gallery.create_person("staff", name) for name in ("Ada", "Grace", "Mary", "Vera")),
                return_exceptions=True,
            )
            assert {type(one) for one in created} <= {Person, NotFound}, created
            await gallery.create_collection("staff", model_id=MODEL, tags={})
            assert (await gallery.persons("staff", limit=9)).items == ()

    async def test_a_person_can_go_with_all_faces(self, gallery):
        """Deleting a person for good returns the faces, whose crops are orphans."""
        await gallery.enrol([a_face(1, person="Ada"), a_face(2, person="Ada"), a_face(3, person="Grace")])
        assert ids(await gallery.delete_person("staff", "Ada", faces=True)) == ["face-0001", "face-0002"]
        assert ids((await gallery.faces("staff", limit=9)).items) == ["face-0003"]
        assert [person.person for person in (await gallery.persons("staff", limit=9)).items] == ["Grace"]

    async def test_a_person_can_go_and_leave_the_faces(self, gallery):
        """The faces stay and are nobody's."""
        await gallery.enrol([a_face(1, person="Ada")])
        left = await gallery.delete_person("staff", "Ada", faces=False)
        assert [(face.face_id, face.person) for face in left] == [("face-0001", None)]
        assert (await gallery.face("staff", "face-0001")).person is None
        with pytest.raises(NotFound):
            await gallery.delete_person("staff", "Ada", faces=False)

    async def test_faces_can_be_given_to_a_person_and_taken_away(self, gallery):
        """A face that was found first and named later counts for that person; one that is another's stays theirs."""
        await gallery.enrol([a_face(1), a_face(2, person="Grace"), a_face(3), a_face(4, person="Ada")])
        asked = ["face-0004", "face-0002", "face-0001", "face-9999"]
        told = await gallery.associate("staff", asked, "Ada", most_faces=2)
        assert told == [bare(a_face(1, person="Ada")), bare(a_face(2, person="Grace")), bare(a_face(4, person="Ada"))]
        assert await gallery.disassociate("staff", ["face-0002", "face-0001"], "Ada") == [bare(a_face(1))]
        assert ids((await gallery.faces("staff", limit=9, person="Ada")).items) == ["face-0004"]
        assert ids((await gallery.faces("staff", limit=9, person="Grace")).items) == ["face-0002"]

    async def test_faces_are_given_to_a_person_who_is_there(self, gallery):
        """Nobody is made by giving faces to them, or a person who was just deleted would be back."""
        await gallery.enrol([a_face(1)])
        with pytest.raises(NotFound):
            await gallery.associate("staff", ["face-0001"], "Ada", most_faces=9)
        with pytest.raises(NotFound):
            await gallery.disassociate("staff", ["face-0001"], "Ada")
        assert (await gallery.persons("staff", limit=9)).items == ()

    async def test_a_person_is_given_no_more_faces_than_they_may_have(self, gallery):
        """One too many, and none is given."""
        await gallery.enrol([a_face(1, person="Ada"), a_face(2), a_face(3)])
        with pytest.raises(LimitExceeded):
            await gallery.associate("staff", ["face-0002", "face-0003"], "Ada", most_faces=2)
        assert (await gallery.persons("staff", limit=9)).items[0].faces == 1
        await gallery.associate("staff", ["face-0002", "face-0003"], "Ada", most_faces=3)
        assert (await gallery.persons("staff", limit=9)).items[0].faces == 3

    async def test_several_faces_of_a_photo_may_be_given_to_one_person(self, gallery):
        """Only enrolment looks at the photo; whoever names faces knows what they do."""
        await gallery.enrol([a_face(1, photo_sha256="a" * 64), a_face(2, photo_sha256="a" * 64)])
        await gallery.create_person("staff", "Ada")
        await gallery.associate("staff", ["face-0001", "face-0002"], "Ada", most_faces=9)
        assert (await gallery.persons("staff", limit=9)).items[0].faces == 2

    async def test_a_face_that_two_persons_are_given_at_once_is_one_persons(self, gallery):
        """Each caller is told whose it is, in whatever order the faces were named."""
        numbers = range(20)
        await gallery.enrol([a_face(n) for n in numbers])
        names = [a_face(n).face_id for n in numbers]
        for person in ("Ada", "Grace"):
            await gallery.create_person("staff", person)
        for _ in range(10):
            told = await asyncio.gather(
                gallery.associate("staff", names, "Ada", most_faces=20),
                gallery.associate("staff", names[::-1], "Grace", most_faces=20),
            )
            assert told[0] == told[1]
            (owner,) = {face.person for face in told[0]}
            await gallery.disassociate("staff", names, owner)

    async def test_faces_that_are_given_at_once_are_counted_together(self, gallery):
        """Two that are allowed each, but not both."""
        await gallery.enrol([a_face(n) for n in range(12)])
        await gallery.create_person("staff", "Ada")
        names = [a_face(n).face_id for n in range(12)]
        for _ in range(10):
            told = await asyncio.gather(
                gallery.associate("staff", names[:6], "Ada", most_faces=10),
                gallery.associate("staff", names[6:], "Ada", most_faces=10),
                return_exceptions=True,
            )
            assert sum(isinstance(one, LimitExceeded) for one in told) == 1
            assert len(await gallery.disassociate("staff", names, "Ada")) == 6

    async def test_a_person_who_is_deleted_while_given_faces_is_gone(self, gallery):
        """Either nobody is there to be given faces, or the faces are nobody's again."""
        await gallery.enrol([a_face(n) for n in range(9)])
        names = [a_face(n).face_id for n in range(9)]
        for _ in range(20):
            await gallery.create_person("staff", "Ada")
            given, left = await asyncio.gather(
                gallery.associate("staff", names, "Ada", most_faces=9),
                gallery.delete_person("staff", "Ada", faces=False),
                return_exceptions=True,
            )
            assert (isinstance(given, NotFound), len(left)) in ((True, 0), (False, 9)), (given, left)
            assert (await gallery.persons("staff", limit=9)).items == ()

    async def test_a_face_is_given_or_deleted_not_both(self, gallery):
        """Deleting what is nobody's leaves what was given to somebody a moment before."""
        await gallery.create_person("staff", "Ada")
        for _ in range(20):
            await gallery.enrol([a_face(n) for n in range(9)])
            names = [a_face(n).face_id for n in range(9)]
            given, gone = await asyncio.gather(
                gallery.associate("staff", names, "Ada", most_faces=9),
                gallery.delete_faces("staff", names[::-1], named=False),
            )
            assert sorted(ids(given) + ids(gone)) == names
            await gallery.delete_faces("staff", names)

    async def test_a_persons_templates_can_be_had(self, gallery):
        """What a comparison with a person, rather than with single faces, is computed from."""
        faces = [a_face(1, person="Ada"), a_face(2, person="Ada"), a_face(3, person="Grace")]
        await gallery.enrol(faces)
        await gallery.create_person("staff", "Mary")
        templates = await gallery.person_templates("staff", "Ada")
        assert [template.model_id for template in templates] == [MODEL, MODEL]
        for template, face in zip(templates, faces, strict=False):
            np.testing.assert_array_equal(template.vector, face.template.vector)
        assert list(await gallery.person_templates("staff", "Mary")) == []
        with pytest.raises(NotFound):
            await gallery.person_templates("staff", "Nobody")

    async def test_the_means_of_persons_can_be_had_at_once(self, gallery):
        """Each is the mean of that person's templates; who is gone or has no faces is no error, and has no mean."""
        ada = [a_face(n, person="Ada") for n in range(3)]
        grace = [a_face(4, person="Grace")]
        both_ways = a_template()
        nowhere = [a_face(5, person="Mary", template=both_ways)]
        nowhere += [a_face(6, person="Mary", template=replace(both_ways, vector=-both_ways.vector))]
        await gallery.enrol([*ada, *grace, *nowhere, a_face(7, person="Emmy"), a_face(8)])
        await gallery.create_person("staff", "Hedy")
        means = await gallery.centroids("staff", ["Ada", "Grace", "Mary", "Hedy", "Nobody"])
        assert means.keys() == {"Ada", "Grace"}
        for person, faces in (("Ada", ada), ("Grace", grace)):
            expected = centroid([face.template for face in faces])
            assert means[person].model_id == expected.model_id == MODEL
            assert means[person].mean.dtype == np.float32
            np.testing.assert_allclose(means[person].mean, expected.mean, atol=1e-7)
        assert await gallery.centroids("staff", []) == {}
