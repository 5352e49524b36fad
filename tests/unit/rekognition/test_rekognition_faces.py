"""Indexing, listing, searching and deleting faces, through boto3."""

import uuid

import pytest
from studio import Sitter, photo, template_of

ADA = Sitter("Ada", left=60, top=40, side=200)
BOB = Sitter("Bob", left=400, top=100, side=80)
NOWHERE = "nobody-made-this"
NO_FACE = "00000000-0000-0000-0000-000000000000"


def test_faces_are_indexed_listed_and_deleted(rekognition, collection, studio):
    """Their life, and that version 1 sees the very same faces."""
    answer = rekognition.index_faces(
        CollectionId=collection,
        Image={"Bytes": photo(BOB, ADA)},
        ExternalImageId="party:1",
        DetectionAttributes=["ALL"],
    )
    assert answer["UnindexedFaces"] == []
    assert "OrientationCorrection" not in answer
    ada, bob = (record["Face"] for record in answer["FaceRecords"])
    assert ada["ImageId"] == bob["ImageId"] != ada["FaceId"] != bob["FaceId"]
    assert ada["ExternalImageId"] == "party:1"
    assert answer["FaceRecords"][0]["FaceDetail"]["BoundingBox"] == ada["BoundingBox"]
    listed = rekognition.list_faces(CollectionId=collection)
    assert sorted(listed["Faces"], key=lambda face: face["FaceId"]) == listed["Faces"]
    assert {face["FaceId"] for face in listed["Faces"]} == {ada["FaceId"], bob["FaceId"]}
    assert listed["FaceModelVersion"] == answer["FaceModelVersion"]
    stored = studio.run(studio.service.gallery.face(collection, ada["FaceId"]))
    assert stored.template.vector == pytest.approx(template_of(ADA).vector)
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 2
    gone = rekognition.delete_faces(CollectionId=collection, FaceIds=[ada["FaceId"], NO_FACE])
    assert gone["DeletedFaces"] == [ada["FaceId"]]
    assert gone["UnsuccessfulFaceDeletions"] == [{"FaceId": NO_FACE, "Reasons": ["FACE_NOT_FOUND"]}]
    assert [face["FaceId"] for face in rekognition.list_faces(CollectionId=collection)["Faces"]] == [bob["FaceId"]]


def test_a_listed_face_equals_the_one_that_was_indexed(rekognition, collection):
    """BoundingBox and Confidence are kept as they were answered."""
    (record,) = rekognition.index_faces(CollectionId=collection, Image={"Bytes": photo(ADA)})["FaceRecords"]
    (listed,) = rekognition.list_faces(CollectionId=collection)["Faces"]
    assert listed.keys() == record["Face"].keys()
    assert listed["BoundingBox"] == pytest.approx(record["Face"]["BoundingBox"], abs=1e-5)
    assert (listed["FaceId"], listed["ImageId"]) == (record["Face"]["FaceId"], record["Face"]["ImageId"])


def test_the_same_photo_is_indexed_once(index, rekognition, collection):
    """A retry, or the same image under the same ExternalImageId, saves no duplicate; another id does."""
    first = index(photo(ADA, BOB))
    assert index(photo(ADA, BOB)) == first
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 2
    assert set(index(photo(ADA, BOB), ExternalImageId="again")).isdisjoint(first)
    assert set(index(photo(ADA, BOB, colour=7))).isdisjoint(first)
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 6


def test_a_photo_without_faces_adds_none(rekognition, collection):
    """That is an answer, no error."""
    answer = rekognition.index_faces(CollectionId=collection, Image={"Bytes": photo()})
    assert answer["FaceRecords"] == answer["UnindexedFaces"] == []


@pytest.mark.parametrize(("most", "indexed"), [(1, 1), (2, 2), (3, 3), (4, 3)])
def test_max_faces_keeps_the_largest(rekognition, collection, most, indexed):
    """Below, at and above the number of faces; the others say why."""
    sitters = [Sitter(f"Face {side}", side=side) for side in (60, 100, 80)]
    answer = rekognition.index_faces(CollectionId=collection, Image={"Bytes": photo(*sitters)}, MaxFaces=most)
    widths = [round(record["Face"]["BoundingBox"]["Width"] * 640) for record in answer["FaceRecords"]]
    assert widths == [100, 80, 60][:indexed]
    assert [face["Reasons"] for face in answer["UnindexedFaces"]] == [["EXCEEDS_MAX_FACES"]] * (3 - indexed)


@pytest.mark.parametrize(
    ("sitter", "reason"),
    [
        (Sitter("Ada", side=20), "SMALL_BOUNDING_BOX"),
        (Sitter("Ada", confidence=0.7), "LOW_CONFIDENCE"),
        (Sitter("Ada", yaw=-80), "EXTREME_POSE"),
        (Sitter("Ada", pitch=70), "EXTREME_POSE"),
        (Sitter("Ada", brightness=3), "LOW_BRIGHTNESS"),
        (Sitter("Ada", sharpness=4), "LOW_SHARPNESS"),
    ],
)
def test_a_face_that_is_no_use_is_not_indexed_and_says_why(rekognition, collection, sitter, reason):
    """QualityFilter is AUTO unless given; NONE takes everything."""
    answer = rekognition.index_faces(CollectionId=collection, Image={"Bytes": photo(sitter)})
    assert answer["FaceRecords"] == []
    assert [face["Reasons"] for face in answer["UnindexedFaces"]] == [[reason]]
    answer = rekognition.index_faces(CollectionId=collection, Image={"Bytes": photo(sitter)}, QualityFilter="NONE")
    assert len(answer["FaceRecords"]) == 1


@pytest.mark.parametrize("sitter", [Sitter("Ada", sharpness=20), Sitter("Ada", yaw=40), Sitter("Ada", side=60)])
def test_higher_filters_ask_for_more(rekognition, collection, sitter):
    """What LOW takes HIGH may not."""
    indexed = {
        level: len(
            rekognition.index_faces(CollectionId=collection, Image={"Bytes": photo(sitter)}, QualityFilter=level)[
                "FaceRecords"
            ]
        )
        for level in ("LOW", "HIGH")
    }
    assert indexed == {"LOW": 1, "HIGH": 0}


def test_indexing_needs_a_collection(refused):
    """ResourceNotFoundException before the photo is looked at."""
    assert refused("index_faces", CollectionId=NOWHERE, Image={"Bytes": photo(ADA)}) == "ResourceNotFoundException"


@pytest.mark.parametrize("members", [{"MaxFaces": 0}, {"ExternalImageId": "no spaces"}, {"ExternalImageId": "x" * 256}])
def test_members_of_index_faces_have_rules(rekognition, collection, members):
    """What boto3 lets pass is refused by the service."""
    with pytest.raises(Exception, match=r"(?i)invalid") as caught:
        rekognition.index_faces(CollectionId=collection, Image={"Bytes": photo(ADA)}, **members)
    assert type(caught.value).__name__ in ("InvalidParameterException", "ParamValidationError")


@pytest.mark.parametrize("length", [254, 255])
def test_an_external_image_id_has_up_to_255_characters(index, length):
    """One below the limit and at it."""
    assert len(index(photo(ADA), ExternalImageId="x" * length)) == 1


def test_faces_are_listed_in_pages_and_filtered(rekognition, collection, index):
    """Each face once, in order; or only those asked for."""
    faces = [index(photo(Sitter(f"Face {n}")))[0] for n in range(5)]
    pages = list(
        rekognition.get_paginator("list_faces").paginate(CollectionId=collection, PaginationConfig={"PageSize": 2})
    )
    assert [len(page["Faces"]) for page in pages] == [2, 2, 1]
    assert [face["FaceId"] for page in pages for face in page["Faces"]] == sorted(faces)
    some = rekognition.list_faces(CollectionId=collection, FaceIds=[faces[3], NO_FACE, faces[0]])["Faces"]
    assert {face["FaceId"] for face in some} == {faces[0], faces[3]}


@pytest.mark.parametrize(("count", "allowed"), [(1, True), (4096, True), (4097, False)])
def test_up_to_4096_faces_can_be_named(rekognition, collection, refused, count, allowed):
    """FaceIds of DeleteFaces and ListFaces."""
    ids = [str(uuid.UUID(int=n)) for n in range(count)]
    if allowed:
        gone = rekognition.delete_faces(CollectionId=collection, FaceIds=ids)
        assert len(gone["UnsuccessfulFaceDeletions"]) == count
        assert rekognition.list_faces(CollectionId=collection, FaceIds=ids)["Faces"] == []
    else:
        assert refused("delete_faces", CollectionId=collection, FaceIds=ids) == "InvalidParameterException"
        assert refused("list_faces", CollectionId=collection, FaceIds=ids) == "InvalidParameterException"


@pytest.mark.parametrize("face_id", ["", "x", NO_FACE.upper()[:-1] + "A", NO_FACE + "\n"])
def test_a_face_id_is_a_lower_case_uuid(collection, refused, face_id):
    """boto3 lets anything pass."""
    assert refused("search_faces", CollectionId=collection, FaceId=face_id) == "InvalidParameterException"


def test_a_face_finds_its_like_but_not_itself(rekognition, collection, index):
    """Best first, on the scale of version 1, with what is known of each face."""
    (ada,) = index(photo(ADA), ExternalImageId="first")
    (near,) = index(photo(Sitter("Ada", likeness=0.9)), ExternalImageId="near")
    (far,) = index(photo(Sitter("Ada", likeness=0.82)))
    index(photo(Sitter("Ada", likeness=0.6)), ExternalImageId="too-far")
    index(photo(BOB))
    answer = rekognition.search_faces(CollectionId=collection, FaceId=ada)
    assert answer["SearchedFaceId"] == ada
    assert [(match["Similarity"], match["Face"]["FaceId"]) for match in answer["FaceMatches"]] == [
        (90.0, near),
        (82.0, far),
    ]
    assert answer["FaceMatches"][0]["Face"]["ExternalImageId"] == "near"
    assert "ExternalImageId" not in answer["FaceMatches"][1]["Face"]
    one = rekognition.search_faces(CollectionId=collection, FaceId=ada, MaxFaces=1)["FaceMatches"]
    assert [match["Face"]["FaceId"] for match in one] == [near]


@pytest.mark.parametrize(("threshold", "found"), [(89.99, 1), (90.0, 1), (90.01, 0)])
def test_a_match_reaches_its_threshold(rekognition, collection, index, threshold, found):
    """Inclusive, by face and by photo alike."""
    (ada,) = index(photo(ADA))
    index(photo(Sitter("Ada", likeness=0.9)))
    by_face = rekognition.search_faces(CollectionId=collection, FaceId=ada, FaceMatchThreshold=threshold)
    by_photo = rekognition.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": photo(ADA, colour=3)}, FaceMatchThreshold=threshold
    )
    assert len(by_face["FaceMatches"]) == found
    assert len(by_photo["FaceMatches"]) == found + 1  # and the face itself


def test_a_photo_is_searched_by_its_largest_face(rekognition, collection, index):
    """The answer says which one that was."""
    (ada,) = index(photo(ADA))
    index(photo(BOB))
    answer = rekognition.search_faces_by_image(CollectionId=collection, Image={"Bytes": photo(BOB, ADA)})
    assert answer["SearchedFaceBoundingBox"]["Width"] == pytest.approx(200 / 640)
    assert answer["SearchedFaceConfidence"] == pytest.approx(99.9)
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [ada]


def test_searching_uses_the_largest_face_that_passes_the_filter(rekognition, collection, index, refused):
    """QualityFilter is NONE unless given."""
    index(photo(ADA))
    (bob,) = index(photo(BOB))
    dark = Sitter("Ada", side=200, brightness=1)
    image = {"Bytes": photo(dark, BOB)}
    answer = rekognition.search_faces_by_image(CollectionId=collection, Image=image, QualityFilter="AUTO")
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [bob]
    answer = rekognition.search_faces_by_image(CollectionId=collection, Image=image)
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] != [bob]
    only_dark = {"Bytes": photo(dark)}
    assert refused("search_faces_by_image", CollectionId=collection, Image=only_dark, QualityFilter="LOW") == (
        "InvalidParameterException"
    )


def test_a_photo_without_faces_cannot_be_searched_by(collection, refused):
    """InvalidParameterException, as in Rekognition."""
    assert refused("search_faces_by_image", CollectionId=collection, Image={"Bytes": photo()}) == (
        "InvalidParameterException"
    )


@pytest.mark.parametrize("sitters", [(), (ADA,)])
def test_searching_needs_a_collection(refused, sitters):
    """ResourceNotFoundException, with a face in the photo or without."""
    for operation in ("search_faces_by_image", "search_users_by_image"):
        code = refused(operation, CollectionId=NOWHERE, Image={"Bytes": photo(*sitters)})
        assert code == "ResourceNotFoundException"
    assert refused("search_faces", CollectionId=NOWHERE, FaceId=NO_FACE) == "ResourceNotFoundException"


def test_a_face_that_is_not_there_is_not_found(collection, refused):
    """ResourceNotFoundException."""
    assert refused("search_faces", CollectionId=collection, FaceId=NO_FACE) == "ResourceNotFoundException"
    assert refused("search_users", CollectionId=collection, FaceId=NO_FACE) == "ResourceNotFoundException"


@pytest.mark.parametrize(("most", "allowed"), [(1, True), (4096, True), (4097, False)])
def test_up_to_4096_matches_can_be_asked_for(rekognition, collection, index, refused, most, allowed):
    """MaxFaces of both searches for faces."""
    (ada,) = index(photo(ADA))
    image = {"Bytes": photo(ADA)}
    if allowed:
        assert rekognition.search_faces(CollectionId=collection, FaceId=ada, MaxFaces=most)["FaceMatches"] == []
        found = rekognition.search_faces_by_image(CollectionId=collection, Image=image, MaxFaces=most)
        assert len(found["FaceMatches"]) == 1
    else:
        assert (
            refused("search_faces", CollectionId=collection, FaceId=ada, MaxFaces=most) == "InvalidParameterException"
        )
        assert refused("search_faces_by_image", CollectionId=collection, Image=image, MaxFaces=most) == (
            "InvalidParameterException"
        )
