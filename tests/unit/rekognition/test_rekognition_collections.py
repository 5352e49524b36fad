"""Collections and their tags, through boto3."""

import uuid

import pytest

UNKNOWN = "nobody-made-this"


def test_a_collection_is_made_described_listed_and_deleted(rekognition, studio):
    """Its life, and that version 1 sees the very same collection."""
    name = f"test-{uuid.uuid4()}"
    made = rekognition.create_collection(CollectionId=name, Tags={"purpose": "test"})
    assert made["StatusCode"] == 200
    assert made["CollectionArn"] == f"arn:aws:rekognition:eu-central-1:000000000000:collection/{name}"
    assert studio.run(studio.service.gallery.collection(name)).tags == {"purpose": "test"}
    described = rekognition.describe_collection(CollectionId=name)
    assert (described["FaceCount"], described["UserCount"]) == (0, 0)
    assert described["CollectionARN"] == made["CollectionArn"]
    assert described["FaceModelVersion"] == made["FaceModelVersion"]
    assert abs(described["CreationTimestamp"].timestamp() - studio.clock()) < 60
    listed = [one for page in rekognition.get_paginator("list_collections").paginate() for one in page["CollectionIds"]]
    assert name in listed
    assert rekognition.delete_collection(CollectionId=name)["StatusCode"] == 200
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
        rekognition.describe_collection(CollectionId=name)


def test_a_collection_of_version_1_is_one_here(rekognition, studio):
    """One domain model: what `/v1` makes is listed here."""
    name = f"v1-{uuid.uuid4()}"
    studio.run(studio.service.gallery.create_collection(name, model_id="made-by-hand", tags={}))
    assert rekognition.describe_collection(CollectionId=name)["FaceModelVersion"] == "made-by-hand"


def test_a_name_is_taken_once(rekognition, collection):
    """ResourceAlreadyExistsException."""
    with pytest.raises(rekognition.exceptions.ResourceAlreadyExistsException):
        rekognition.create_collection(CollectionId=collection)


@pytest.mark.parametrize("operation", ["delete_collection", "describe_collection", "list_faces", "list_users"])
def test_a_collection_that_is_not_there_is_not_found(refused, operation):
    """ResourceNotFoundException from whatever names a collection."""
    assert refused(operation, CollectionId=UNKNOWN) == "ResourceNotFoundException"


def test_names_of_255_characters_are_allowed_and_no_longer_ones(rekognition, refused):
    """The limit, one below, at and above it."""
    for length in (254, 255):
        name = uuid.uuid4().hex + "x" * (length - 32)
        rekognition.create_collection(CollectionId=name)
        rekognition.delete_collection(CollectionId=name)
    assert refused("create_collection", CollectionId="x" * 256) == "InvalidParameterException"


@pytest.mark.parametrize("name", ["with space", "ümlaut", "slash/", "line\n", "colon:"])
def test_names_hold_letters_digits_and_three_signs(refused, name):
    """CollectionId holds letters, digits, _, . and -; boto3 lets others pass."""
    assert refused("create_collection", CollectionId=name) == "InvalidParameterException"


@pytest.mark.parametrize("name", [".", ".."])
def test_a_collection_is_not_named_as_a_folder(rekognition, refused, studio, name):
    """Version 1 could not be told to delete it; one that was made before can be deleted here."""
    assert refused("create_collection", CollectionId=name) == "InvalidParameterException"
    studio.run(studio.service.gallery.create_collection(name, model_id="made-by-hand", tags={}))
    rekognition.delete_collection(CollectionId=name)


@pytest.mark.parametrize("name", ["...", "..a", "-", "_."])
def test_other_names_of_dots_are_names(rekognition, name):
    """A path keeps them as they are."""
    rekognition.create_collection(CollectionId=name)
    rekognition.delete_collection(CollectionId=name)


def test_a_listing_comes_in_pages(rekognition):
    """MaxResults items a page, each item once, in order, until NextToken ends."""
    names = sorted(f"page-{uuid.uuid4()}" for _ in range(5))
    for name in names:
        rekognition.create_collection(CollectionId=name)
    pages = list(rekognition.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2}))
    assert all(len(page["CollectionIds"]) == len(page["FaceModelVersions"]) <= 2 for page in pages)
    listed = [name for page in pages for name in page["CollectionIds"]]
    assert [name for name in listed if name in names] == names
    assert len(listed) == len(set(listed))
    for name in names:
        rekognition.delete_collection(CollectionId=name)


@pytest.mark.parametrize(("max_results", "allowed"), [(0, True), (4096, True), (4097, False)])
def test_a_page_has_up_to_4096_items(rekognition, refused, max_results, allowed):
    """MaxResults is 0 to 4096; 0 leaves it to the service."""
    if allowed:
        assert "CollectionIds" in rekognition.list_collections(MaxResults=max_results)
    else:
        assert refused("list_collections", MaxResults=max_results) == "InvalidParameterException"


def test_tags_are_set_listed_and_removed(rekognition, collection):
    """Later tags of the same key replace earlier ones; removing a missing one is no error."""
    arn = rekognition.describe_collection(CollectionId=collection)["CollectionARN"]
    rekognition.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"})
    rekognition.tag_resource(ResourceArn=arn, Tags={"b": "3", "größe": "XL /+=@"})
    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"a": "1", "b": "3", "größe": "XL /+=@"}
    rekognition.untag_resource(ResourceArn=arn, TagKeys=["a", "never there"])
    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"].keys() == {"b", "größe"}


def test_a_collection_has_at_most_50_tags(rekognition, collection, refused):
    """ServiceQuotaExceededException beyond; nothing is changed then."""
    arn = rekognition.describe_collection(CollectionId=collection)["CollectionARN"]
    rekognition.tag_resource(ResourceArn=arn, Tags={f"k{n}": "" for n in range(50)})
    assert refused("tag_resource", ResourceArn=arn, Tags={"one": "more"}) == "ServiceQuotaExceededException"
    assert len(rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"]) == 50
    assert refused("create_collection", CollectionId="x", Tags={f"k{n}": "" for n in range(51)}) == (
        "ServiceQuotaExceededException"
    )


@pytest.mark.parametrize("tags", [{"aws:mine": ""}, {"k" * 129: ""}, {"k": "v" * 257}, {"k": "*"}])
def test_tags_have_rules(rekognition, collection, refused, tags):
    """Keys of 1 to 128 characters not beginning with aws:, values up to 256, letters, digits, spaces, _.:/=+-@."""
    arn = rekognition.describe_collection(CollectionId=collection)["CollectionARN"]
    assert refused("tag_resource", ResourceArn=arn, Tags=tags) == "InvalidParameterException"


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (f"arn:aws:rekognition:eu-central-1:000000000000:collection/{UNKNOWN}", "ResourceNotFoundException"),
        ("arn:aws:rekognition:eu-central-1:000000000000:project/p", "ResourceNotFoundException"),
        ("arn:aws:rekognition:eu-central-1:000000000000:collection/", "ResourceNotFoundException"),
        ("arn:aws:rekognition:eu-central-1:000000000000:collection/nul\0byte", "ResourceNotFoundException"),
        ("arn:aws:s3:::a-bucket-of-somebody", "InvalidParameterException"),
        ("no arn at all, but long enough", "InvalidParameterException"),
    ],
)
def test_only_collections_have_tags(refused, arn, code):
    """An ARN that names no collection of this service is refused."""
    assert refused("list_tags_for_resource", ResourceArn=arn) == code
    assert refused("untag_resource", ResourceArn=arn, TagKeys=["k"]) == code
