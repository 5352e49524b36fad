"""DetectFaces, CompareFaces, and the rules for photos that all operations share, through boto3."""

import io

import pytest
from botocore.exceptions import ParamValidationError
from PIL import Image
from studio import Sitter, Studio, photo

ADA = Sitter("Ada", left=60, top=40, side=200)
BOB = Sitter("Bob", left=400, top=100, side=80)
CROWD = [Sitter(f"Extra {n}", left=n, top=n, side=30 + n) for n in range(101)]
MIB = 2**20


def padded(size: int) -> bytes:
    """A photo of so many bytes."""
    return photo(ADA).ljust(size, b"\0")


def empty(width: int, height: int, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, kind)
    return file.getvalue()


def test_faces_come_largest_first_as_ratios_and_percent(rekognition):
    """BoundingBox, Confidence, five Landmarks, Pose and Quality, and nothing that is not known."""
    faces = rekognition.detect_faces(Image={"Bytes": photo(BOB, ADA)}, Attributes=["ALL"])["FaceDetails"]
    assert [face["BoundingBox"]["Width"] for face in faces] == [200 / 640, 80 / 640]
    face = faces[0]
    assert face["BoundingBox"] == pytest.approx(
        {"Left": 60 / 640, "Top": 40 / 480, "Width": 200 / 640, "Height": 200 / 480}, abs=1e-6
    )
    assert face["Confidence"] == pytest.approx(99.9)
    points = {point["Type"]: (point["X"], point["Y"]) for point in face["Landmarks"]}
    assert points.keys() == {"eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight"}
    assert points["eyeLeft"] == pytest.approx((120 / 640, 120 / 480), abs=1e-6)
    assert points["eyeLeft"][0] < points["eyeRight"][0]
    assert face["Pose"] == {"Roll": 0.0, "Yaw": 3.0, "Pitch": -2.0}
    assert face["Quality"] == {"Brightness": 60.0, "Sharpness": 80.0}
    assert face.keys() == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}


def test_a_photo_without_faces_has_none(rekognition):
    """That is an answer, no error."""
    assert rekognition.detect_faces(Image={"Bytes": photo()})["FaceDetails"] == []


def test_the_100_largest_faces_are_told_of(rekognition):
    """The smallest of 101 is left out."""
    faces = rekognition.detect_faces(Image={"Bytes": photo(*CROWD)})["FaceDetails"]
    assert len(faces) == 100
    assert min(face["BoundingBox"]["Width"] for face in faces) == pytest.approx(31 / 640, abs=1e-6)


def test_orientation_correction_is_absent(rekognition):
    """Photos are upright by their EXIF already."""
    assert "OrientationCorrection" not in rekognition.detect_faces(Image={"Bytes": photo()})


def test_png_is_a_photo_too(rekognition):
    """JPEG and PNG, as Rekognition."""
    assert len(rekognition.detect_faces(Image={"Bytes": photo(ADA, kind="PNG")})["FaceDetails"]) == 1


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "TIFF"])
def test_other_formats_are_refused_though_version_1_reads_them(refused, kind):
    """InvalidImageFormatException, so that nobody comes to rely on more than Rekognition reads."""
    assert refused("detect_faces", Image={"Bytes": empty(100, 100, kind)}) == "InvalidImageFormatException"


@pytest.mark.parametrize("data", [b"no photo", b"\xff\xd8\xff\xe0 torn", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_photo_is_refused(refused, data):
    """InvalidImageFormatException."""
    assert refused("detect_faces", Image={"Bytes": data}) == "InvalidImageFormatException"


def test_nobody_is_told_to_send_what_would_be_refused(rekognition):
    """Only the two formats are named, not those of version 1."""
    with pytest.raises(rekognition.exceptions.InvalidImageFormatException, match=r"send one as JPEG or PNG\."):
        rekognition.detect_faces(Image={"Bytes": b"no photo"})


@pytest.mark.parametrize(("size", "allowed"), [(5 * MIB - 1, True), (5 * MIB, True), (5 * MIB + 1, False)])
def test_five_mebibytes_can_be_sent(rekognition, refused, size, allowed):
    """One byte below, at and above the limit; boto3 lets all pass."""
    if allowed:
        assert len(rekognition.detect_faces(Image={"Bytes": padded(size)})["FaceDetails"]) == 1
    else:
        assert refused("detect_faces", Image={"Bytes": padded(size)}) == "ImageTooLargeException"


def test_a_body_far_too_long_is_refused_in_the_same_words(refused):
    """The door shuts before the photo is read, and still answers as Rekognition."""
    assert refused("detect_faces", Image={"Bytes": bytes(40 * MIB)}) == "ImageTooLargeException"


@pytest.mark.parametrize(("side", "allowed"), [(79, False), (80, True), (81, True)])
def test_both_sides_need_80_pixels(rekognition, refused, side, allowed):
    """One pixel below, at and above the limit."""
    if allowed:
        assert rekognition.detect_faces(Image={"Bytes": empty(side, 200)})["FaceDetails"] == []
        assert rekognition.detect_faces(Image={"Bytes": empty(200, side)})["FaceDetails"] == []
    else:
        assert refused("detect_faces", Image={"Bytes": empty(side, 200)}) == "InvalidParameterException"
        assert refused("detect_faces", Image={"Bytes": empty(200, side)}) == "InvalidParameterException"


def test_too_many_pixels_are_too_large(refused, studio):
    """A small file can promise a huge picture; the setting `max_image_pixels` holds here too."""
    side = int(studio.settings.max_image_pixels**0.5) + 1
    assert refused("detect_faces", Image={"Bytes": empty(side, side, "PNG")}) == "ImageTooLargeException"


def test_an_empty_photo_leaves_boto3_and_is_refused(refused):
    """Not a crash, not a retry."""
    assert refused("detect_faces", Image={"Bytes": b""}) == "InvalidParameterException"


@pytest.mark.parametrize(
    "image", [{}, {"Bytes": b"x", "S3Object": {"Bucket": "bucket", "Name": "name"}}, {"S3Object": {}}]
)
def test_a_photo_comes_either_as_bytes_or_from_a_bucket(refused, image):
    """Neither and both are refused."""
    assert refused("detect_faces", Image=image) == "InvalidParameterException"


def test_a_photo_can_lie_in_the_configured_store(rekognition, studio):
    """Bucket B is the folder `buckets/B/` of the store."""
    folder = studio.folder / "store" / "buckets" / "holiday" / "2026"
    folder.mkdir(parents=True)
    (folder / "a b.jpg").write_bytes(photo(ADA, BOB))
    image = {"S3Object": {"Bucket": "holiday", "Name": "2026/a b.jpg"}}
    assert len(rekognition.detect_faces(Image=image)["FaceDetails"]) == 2


@pytest.mark.parametrize(
    "place",
    [
        {"Bucket": "holiday", "Name": "not/there.jpg"},
        {"Bucket": "not-there", "Name": "a.jpg"},
        {"Bucket": "holiday", "Name": "../../../access.key"},
        {"Bucket": "...", "Name": "x"},
        {"Bucket": "holiday", "Name": "/etc/passwd"},
        {"Bucket": "holiday", "Name": "nul\0byte"},
        {"Bucket": "holiday", "Name": "x" * 1024},
        {"Bucket": "holiday", "Name": "2026"},
        {"Bucket": "holiday", "Name": "x", "Version": "1"},
    ],
)
def test_what_is_not_in_the_bucket_is_not_read(refused, place):
    """InvalidS3ObjectException, whatever the name tries to reach."""
    assert refused("detect_faces", Image={"S3Object": place}) == "InvalidS3ObjectException"


@pytest.mark.parametrize(("size", "allowed"), [(15 * MIB, True), (15 * MIB + 1, False)])
def test_a_photo_in_a_bucket_may_have_15_mebibytes(rekognition, refused, studio, size, allowed):
    """At the limit and one byte above."""
    folder = studio.folder / "store" / "buckets" / "large"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "photo").write_bytes(padded(size))
    image = {"S3Object": {"Bucket": "large", "Name": "photo"}}
    if allowed:
        assert len(rekognition.detect_faces(Image=image)["FaceDetails"]) == 1
    else:
        assert refused("detect_faces", Image=image) == "ImageTooLargeException"


def test_boto3_validates_before_it_sends(rekognition):
    """Its own checks are on in these tests."""
    with pytest.raises(ParamValidationError):
        rekognition.detect_faces(Image="no structure")


def test_an_unknown_attribute_is_refused(refused):
    """Attributes is an enumeration."""
    assert refused("detect_faces", Image={"Bytes": photo()}, Attributes=["SHOE_SIZE"]) == "InvalidParameterException"


def test_comparing_finds_the_person_again(rekognition):
    """The largest face of the source against every face of the target, best first."""
    again = Sitter("Ada", left=300, top=200, side=90, likeness=0.9)
    twin = Sitter("Ada", left=10, top=10, side=100, likeness=0.85)
    answer = rekognition.compare_faces(
        SourceImage={"Bytes": photo(BOB, ADA)}, TargetImage={"Bytes": photo(again, twin, BOB, width=800)}
    )
    assert answer["SourceImageFace"]["BoundingBox"]["Width"] == pytest.approx(200 / 640)
    assert [match["Similarity"] for match in answer["FaceMatches"]] == [90.0, 85.0]
    assert answer["FaceMatches"][0]["Face"]["BoundingBox"]["Left"] == pytest.approx(300 / 800)
    assert [face["BoundingBox"]["Width"] for face in answer["UnmatchedFaces"]] == [80 / 800]
    assert "SourceImageOrientationCorrection" not in answer


@pytest.mark.parametrize(("threshold", "matches"), [(None, 1), (84.99, 1), (85.0, 1), (85.01, 0), (0, 1), (100, 0)])
def test_the_threshold_is_80_unless_given_and_inclusive(rekognition, threshold, matches):
    """A similarity of exactly the threshold matches."""
    given = {} if threshold is None else {"SimilarityThreshold": threshold}
    answer = rekognition.compare_faces(
        SourceImage={"Bytes": photo(ADA)}, TargetImage={"Bytes": photo(Sitter("Ada", likeness=0.85))}, **given
    )
    assert (len(answer["FaceMatches"]), len(answer["UnmatchedFaces"])) == (matches, 1 - matches)


@pytest.mark.parametrize("threshold", [100.1, float("nan"), float("inf")])
def test_a_threshold_is_a_percentage(refused, threshold):
    """0 to 100; boto3 checks the lower bound only."""
    image = {"Bytes": photo(ADA)}
    code = refused("compare_faces", SourceImage=image, TargetImage=image, SimilarityThreshold=threshold)
    assert code in ("InvalidParameterException", "SerializationException")


@pytest.mark.parametrize("faces", [([], [ADA]), ([ADA], [])])
def test_comparing_needs_a_face_on_both_sides(refused, faces):
    """InvalidParameterException if either photo shows none."""
    source, target = (photo(*sitters) for sitters in faces)
    assert refused("compare_faces", SourceImage={"Bytes": source}, TargetImage={"Bytes": target}) == (
        "InvalidParameterException"
    )


def test_a_filtered_face_is_neither_match_nor_mismatch(rekognition, refused):
    """QualityFilter is NONE unless given; a source that does not pass cannot be compared."""
    dark = Sitter("Ada", brightness=2.0)
    answer = rekognition.compare_faces(SourceImage={"Bytes": photo(ADA)}, TargetImage={"Bytes": photo(dark)})
    assert len(answer["FaceMatches"]) == 1
    answer = rekognition.compare_faces(
        SourceImage={"Bytes": photo(ADA)}, TargetImage={"Bytes": photo(dark)}, QualityFilter="LOW"
    )
    assert answer["FaceMatches"] == answer["UnmatchedFaces"] == []
    assert (
        refused(
            "compare_faces", SourceImage={"Bytes": photo(dark)}, TargetImage={"Bytes": photo(ADA)}, QualityFilter="AUTO"
        )
        == "InvalidParameterException"
    )


def test_two_photos_of_the_greatest_size_fit_one_request(client_of, monkeypatch, tmp_path):
    """The body's limit leaves room for both in base64, also where the setting allows no more than Rekognition."""
    monkeypatch.setenv("FACEFLEET_MAX_IMAGE_BYTES", str(5 * MIB))
    with Studio(tmp_path).open() as studio:
        client = client_of(studio.add_key(), studio=studio)
        image = {"Bytes": padded(5 * MIB)}
        assert len(client.compare_faces(SourceImage=image, TargetImage=image)["FaceMatches"]) == 1
