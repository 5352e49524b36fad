"""Users, their faces, and searching for them, through boto3."""

import uuid

import pytest
from studio import Sitter, photo

ADA = Sitter("Ada", left=60, top=40, side=200)
BOB = Sitter("Bob", left=400, top=100, side=80)
NO_FACE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def associate(rekognition, collection):
    """Makes a user with these faces."""

    def associate(user, *faces, **members):
        rekognition.create_user(CollectionId=collection, UserId=user)
        return rekognition.associate_faces(CollectionId=collection, UserId=user, FaceIds=list(faces), **members)

    return associate


def users_of(rekognition, collection):
    return {user["UserId"]: user["UserStatus"] for user in rekognition.list_users(CollectionId=collection)["Users"]}


def test_a_user_is_made_listed_and_deleted(rekognition, collection, index, associate, studio):
    """CREATED without faces, ACTIVE with; a user is version 1's person; deleting one leaves the faces."""
    rekognition.create_user(CollectionId=collection, UserId="bob")
    (face,) = index(photo(ADA))
    answer = associate("ada", face)
    assert answer["AssociatedFaces"] == [{"FaceId": face}]
    assert answer["UserStatus"] == "ACTIVE"
    assert users_of(rekognition, collection) == {"ada": "ACTIVE", "bob": "CREATED"}
    persons = studio.run(studio.service.gallery.persons(collection, limit=10)).items
    assert [(person.person, person.faces) for person in persons] == [("ada", 1), ("bob", 0)]
    assert rekognition.describe_collection(CollectionId=collection)["UserCount"] == 2
    (listed,) = rekognition.list_faces(CollectionId=collection, UserId="ada")["Faces"]
    assert (listed["FaceId"], listed["UserId"]) == (face, "ada")
    rekognition.delete_user(CollectionId=collection, UserId="ada")
    (listed,) = rekognition.list_faces(CollectionId=collection)["Faces"]
    assert "UserId" not in listed
    assert users_of(rekognition, collection) == {"bob": "CREATED"}


def test_a_user_id_is_taken_once(rekognition, collection):
    """ConflictException; with the same token it is the same request and answered again."""
    rekognition.create_user(CollectionId=collection, UserId="ada", ClientRequestToken="once")
    rekognition.create_user(CollectionId=collection, UserId="ada", ClientRequestToken="once")
    with pytest.raises(rekognition.exceptions.ConflictException):
        rekognition.create_user(CollectionId=collection, UserId="ada", ClientRequestToken="twice")


def test_a_token_belongs_to_one_request(rekognition, collection):
    """IdempotentParameterMismatchException if its parameters change."""
    rekognition.create_user(CollectionId=collection, UserId="ada", ClientRequestToken="mine")
    with pytest.raises(rekognition.exceptions.IdempotentParameterMismatchException):
        rekognition.create_user(CollectionId=collection, UserId="bob", ClientRequestToken="mine")


def test_a_token_belongs_to_one_key(rekognition, client_of, collection):
    """Two clients that count from one do not meet."""
    rekognition.create_user(CollectionId=collection, UserId="ada", ClientRequestToken="1")
    client_of().create_user(CollectionId=collection, UserId="bob", ClientRequestToken="1")
    assert users_of(rekognition, collection).keys() == {"ada", "bob"}


def test_a_token_is_forgotten_after_an_hour(rekognition, client_of, collection, studio):
    """Then it is a new request."""
    rekognition.create_user(CollectionId=collection, UserId="ada", ClientRequestToken="hourly")
    rekognition.delete_user(CollectionId=collection, UserId="ada")
    rekognition.create_user(CollectionId=collection, UserId="ada", ClientRequestToken="hourly")
    assert users_of(rekognition, collection) == {}
    studio.clock.ahead_s += 3601
    try:
        with pytest.raises(rekognition.exceptions.ClientError, match="expired"):  # our clock runs ahead of boto3's
            rekognition.list_users(CollectionId=collection)
        assert (
            studio.run(studio.receipts.find(f"{rekognition._request_signer._credentials.access_key}/CreateUser/hourly"))
            is None
        )
    finally:
        studio.clock.ahead_s = 0.0


@pytest.mark.parametrize("token", ["x" * 65, "with space", "ümlaut"])
def test_a_token_has_a_form(collection, refused, token):
    """1 to 64 letters, digits, - and _."""
    assert refused("create_user", CollectionId=collection, UserId="a", ClientRequestToken=token) == (
        "InvalidParameterException"
    )


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        ("x" * 127, True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("a b", False),
        ("...", True),
        (".", False),
        ("..", False),
    ],
)
def test_a_user_id_has_a_form(rekognition, collection, refused, user, allowed):
    """One below, at and above 128 characters; none that version 1 could not name in a URL."""
    if allowed:
        rekognition.create_user(CollectionId=collection, UserId=user)
        assert user in users_of(rekognition, collection)
    else:
        assert refused("create_user", CollectionId=collection, UserId=user) == "InvalidParameterException"


@pytest.mark.parametrize("operation", ["delete_user", "associate_faces", "disassociate_faces", "search_users"])
def test_a_user_that_is_not_there_is_not_found(collection, refused, operation):
    """ResourceNotFoundException."""
    more = {"FaceIds": [NO_FACE]} if operation.endswith("associate_faces") else {}
    assert refused(operation, CollectionId=collection, UserId="nobody", **more) == "ResourceNotFoundException"


def test_users_are_listed_in_pages(rekognition, collection):
    """Each user once, in order."""
    names = [f"user-{n}" for n in range(5)]
    for name in names:
        rekognition.create_user(CollectionId=collection, UserId=name)
    pages = list(
        rekognition.get_paginator("list_users").paginate(CollectionId=collection, PaginationConfig={"PageSize": 2})
    )
    assert [user["UserId"] for page in pages for user in page["Users"]] == names
    assert [len(page["Users"]) for page in pages] == [2, 2, 1]


@pytest.mark.parametrize(("most", "allowed"), [(1, True), (500, True), (501, False)])
def test_a_page_has_up_to_500_users(rekognition, collection, refused, most, allowed):
    """MaxResults of ListUsers."""
    if allowed:
        assert rekognition.list_users(CollectionId=collection, MaxResults=most)["Users"] == []
    else:
        assert refused("list_users", CollectionId=collection, MaxResults=most) == "InvalidParameterException"


def test_a_face_must_resemble_the_faces_that_are_there(rekognition, collection, index, associate):
    """75 unless given; the first faces of a user have nothing to resemble."""
    (first,) = index(photo(ADA))
    (alike,) = index(photo(Sitter("Ada", likeness=0.76)))
    (less,) = index(photo(Sitter("Ada", likeness=0.74)))
    (bob,) = index(photo(BOB))
    associate("ada", first)
    answer = rekognition.associate_faces(CollectionId=collection, UserId="ada", FaceIds=[less, alike, NO_FACE])
    assert answer["AssociatedFaces"] == [{"FaceId": alike}]
    assert answer["UnsuccessfulFaceAssociations"] == [
        {"FaceId": less, "Confidence": 74.0, "Reasons": ["LOW_MATCH_CONFIDENCE"]},
        {"FaceId": NO_FACE, "Reasons": ["FACE_NOT_FOUND"]},
    ]
    answer = rekognition.associate_faces(CollectionId=collection, UserId="ada", FaceIds=[bob], UserMatchThreshold=0)
    assert answer["AssociatedFaces"] == [{"FaceId": bob}]


def test_a_face_belongs_to_one_user(rekognition, collection, index, associate):
    """Associating it again with the same user is no error, with another it is."""
    (face,) = index(photo(ADA))
    associate("ada", face)
    answer = associate("other", face)
    assert answer["AssociatedFaces"] == []
    assert answer["UserStatus"] == "CREATED"
    assert answer["UnsuccessfulFaceAssociations"] == [
        {"FaceId": face, "UserId": "ada", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]}
    ]
    again = rekognition.associate_faces(CollectionId=collection, UserId="ada", FaceIds=[face])
    assert again["AssociatedFaces"] == [{"FaceId": face}]


def test_a_face_of_a_user_is_not_deleted(rekognition, collection, index, associate):
    """It must be disassociated first."""
    (face,) = index(photo(ADA))
    associate("ada", face)
    answer = rekognition.delete_faces(CollectionId=collection, FaceIds=[face])
    assert answer["DeletedFaces"] == []
    assert answer["UnsuccessfulFaceDeletions"] == [
        {"FaceId": face, "UserId": "ada", "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}
    ]
    rekognition.disassociate_faces(CollectionId=collection, UserId="ada", FaceIds=[face])
    assert rekognition.delete_faces(CollectionId=collection, FaceIds=[face])["DeletedFaces"] == [face]


def test_faces_are_taken_from_a_user(rekognition, collection, index, associate):
    """Those that are theirs; of the others is said why not."""
    (ada,) = index(photo(ADA))
    (again,) = index(photo(Sitter("Ada", likeness=0.9)))
    (bob,) = index(photo(BOB))
    associate("ada", ada)
    rekognition.associate_faces(CollectionId=collection, UserId="ada", FaceIds=[again])
    associate("bob", bob)
    answer = rekognition.disassociate_faces(CollectionId=collection, UserId="ada", FaceIds=[again, bob, NO_FACE])
    assert answer["DisassociatedFaces"] == [{"FaceId": again}]
    assert answer["UnsuccessfulFaceDisassociations"] == [
        {"FaceId": bob, "UserId": "bob", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]},
        {"FaceId": NO_FACE, "Reasons": ["FACE_NOT_FOUND"]},
    ]
    assert answer["UserStatus"] == "ACTIVE"
    answer = rekognition.disassociate_faces(CollectionId=collection, UserId="ada", FaceIds=[ada])
    assert answer["UserStatus"] == "CREATED"


@pytest.mark.parametrize(("count", "allowed"), [(100, True), (101, False)])
def test_up_to_100_faces_are_associated_at_once(rekognition, collection, refused, count, allowed):
    """FaceIds of both operations, at the limit and above."""
    rekognition.create_user(CollectionId=collection, UserId="ada")
    ids = [str(uuid.UUID(int=n)) for n in range(count)]
    for operation in ("associate_faces", "disassociate_faces"):
        if allowed:
            answer = getattr(rekognition, operation)(CollectionId=collection, UserId="ada", FaceIds=ids)
            assert answer["UserStatus"] == "CREATED"
        else:
            assert refused(operation, CollectionId=collection, UserId="ada", FaceIds=ids) == "InvalidParameterException"


def test_a_user_has_at_most_100_faces(rekognition, collection, index, refused, associate):
    """ServiceQuotaExceededException beyond; nothing is changed then."""
    faces = index(photo(*[Sitter("Ada", left=n, side=100 + n, likeness=0.95) for n in range(100)]))
    (other,) = index(photo(ADA))
    assert associate("ada", *faces)["UserStatus"] == "ACTIVE"
    assert refused("associate_faces", CollectionId=collection, UserId="ada", FaceIds=[other]) == (
        "ServiceQuotaExceededException"
    )
    assert len(rekognition.list_faces(CollectionId=collection, UserId="ada")["Faces"]) == 100


def test_users_are_searched_by_the_mean_of_their_faces(rekognition, collection, index, associate):
    """Two photos of someone say more than either: together they are nearer to a third than each alone."""
    faces = [index(photo(Sitter("Ada", left=left, likeness=0.85)))[0] for left in (10, 20)]
    associate("ada", *faces, UserMatchThreshold=0)
    associate("bob", *index(photo(BOB)))
    rekognition.create_user(CollectionId=collection, UserId="nobody-yet")
    answer = rekognition.search_users_by_image(CollectionId=collection, Image={"Bytes": photo(ADA, BOB)})
    (match,) = answer["UserMatches"]
    assert match["User"] == {"UserId": "ada", "UserStatus": "ACTIVE"}
    assert 85 < match["Similarity"] < 95
    assert answer["SearchedFace"]["FaceDetail"]["BoundingBox"]["Width"] == pytest.approx(200 / 640)
    assert [face["Reasons"] for face in answer["UnsearchedFaces"]] == [["FACE_NOT_LARGEST"]]


def test_users_are_searched_by_face_and_by_user(rekognition, collection, index, associate):
    """By a face its own user is found too; by a user only others are."""
    (face,) = index(photo(ADA))
    (near,) = index(photo(Sitter("Ada", likeness=0.9)))
    associate("ada", face)
    associate("ada-again", near)
    by_face = rekognition.search_users(CollectionId=collection, FaceId=face)
    assert by_face["SearchedFace"] == {"FaceId": face}
    assert "SearchedUser" not in by_face
    assert [(match["User"]["UserId"], match["Similarity"]) for match in by_face["UserMatches"]] == [
        ("ada", 100.0),
        ("ada-again", 90.0),
    ]
    by_user = rekognition.search_users(CollectionId=collection, UserId="ada")
    assert by_user["SearchedUser"] == {"UserId": "ada"}
    assert [match["User"]["UserId"] for match in by_user["UserMatches"]] == ["ada-again"]
    one = rekognition.search_users(CollectionId=collection, FaceId=face, MaxUsers=1)["UserMatches"]
    assert [match["User"]["UserId"] for match in one] == ["ada"]


def test_the_user_searched_by_takes_no_place_in_the_answer(rekognition, collection, index, associate):
    """However many faces they have, and however many are nobody's: MaxUsers counts the others."""
    faces = index(photo(*[Sitter("Ada", left=n, side=100 + n, likeness=0.99) for n in range(40)]))
    associate("ada", *faces[:20])
    associate("ada-again", *index(photo(Sitter("Ada", likeness=0.9))))
    for member in ({"UserId": "ada"}, {"FaceId": faces[30]}):
        (match,) = rekognition.search_users(CollectionId=collection, MaxUsers=1, **member)["UserMatches"]
        assert match["User"]["UserId"] == ("ada-again" if "UserId" in member else "ada")


@pytest.mark.parametrize(("threshold", "found"), [(89.99, 2), (90.0, 2), (90.01, 1), (0, 2)])
def test_a_user_reaches_the_threshold(rekognition, collection, index, associate, threshold, found):
    """Inclusive; 80 unless given."""
    (face,) = index(photo(ADA))
    associate("ada", face)
    associate("ada-again", *index(photo(Sitter("Ada", likeness=0.9))))
    answer = rekognition.search_users(CollectionId=collection, FaceId=face, UserMatchThreshold=threshold)
    assert len(answer["UserMatches"]) == found


@pytest.mark.parametrize("members", [{}, {"UserId": "ada", "FaceId": NO_FACE}])
def test_users_are_searched_by_one_thing(collection, refused, members):
    """Neither and both are refused."""
    assert refused("search_users", CollectionId=collection, **members) == "InvalidParameterException"


def test_a_user_without_faces_cannot_be_searched_by(rekognition, collection, refused):
    """ResourceNotFoundException: there is no user vector."""
    rekognition.create_user(CollectionId=collection, UserId="ada")
    assert refused("search_users", CollectionId=collection, UserId="ada") == "ResourceNotFoundException"


def test_a_photo_without_faces_finds_no_user(rekognition, collection):
    """Unlike SearchFacesByImage this is an answer, as in Rekognition; so is one whose faces do not pass."""
    answer = rekognition.search_users_by_image(CollectionId=collection, Image={"Bytes": photo()})
    assert answer["UserMatches"] == answer["UnsearchedFaces"] == []
    assert "SearchedFace" not in answer
    dark = {"Bytes": photo(Sitter("Ada", brightness=1))}
    answer = rekognition.search_users_by_image(CollectionId=collection, Image=dark, QualityFilter="AUTO")
    assert [face["Reasons"] for face in answer["UnsearchedFaces"]] == [["LOW_BRIGHTNESS"]]


@pytest.mark.parametrize(("most", "allowed"), [(500, True), (501, False)])
def test_up_to_500_users_can_be_asked_for(rekognition, collection, refused, most, allowed):
    """MaxUsers of both searches."""
    members = {"CollectionId": collection, "Image": {"Bytes": photo(ADA)}, "MaxUsers": most}
    if allowed:
        assert rekognition.search_users_by_image(**members)["UserMatches"] == []
    else:
        assert refused("search_users_by_image", **members) == "InvalidParameterException"
