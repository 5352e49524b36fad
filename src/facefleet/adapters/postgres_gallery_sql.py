"""The statements of `postgres_gallery`."""

from functools import lru_cache
from typing import Final

from psycopg.sql import SQL, Literal, Placeholder

from facefleet.adapters.postgres_gallery_index import indexed_template

FACE: Final = """face_id, collection_id, image_id, person, external_image_id, photo_sha256, box, landmarks, confidence,
    quality, pose, crop_key, created_s"""

CREATE_COLLECTION = """
    INSERT INTO collections (collection_id, model_id, tags) VALUES (%s, %s, %s)
    ON CONFLICT DO NOTHING RETURNING extract(epoch FROM created_at)::float8
"""
_COLLECTIONS = """
    SELECT collection_id, model_id, extract(epoch FROM created_at)::float8,
           (SELECT count(*) FROM faces WHERE faces.collection_id = collections.collection_id),
           (SELECT count(*) FROM persons WHERE persons.collection_id = collections.collection_id),
           tags
    FROM collections
"""
COLLECTION = _COLLECTIONS + "WHERE collection_id = %s"
COLLECTIONS = _COLLECTIONS + "WHERE collection_id > %s ORDER BY collection_id LIMIT %s"
ADD_TAGS = """
    UPDATE collections SET tags = tags || %s WHERE collection_id = %s
    RETURNING (SELECT count(*) FROM jsonb_object_keys(tags))
"""
REMOVE_TAGS = "UPDATE collections SET tags = tags - %s::text[] WHERE collection_id = %s RETURNING 1"
LOCK_COLLECTION = "SELECT model_id FROM collections WHERE collection_id = %s FOR UPDATE"
# Kept from being deleted meanwhile, without keeping other enrolments out.
KEEP_COLLECTION = "SELECT model_id FROM collections WHERE collection_id = %s FOR KEY SHARE"
DELETE_CROPS = "DELETE FROM faces WHERE collection_id = %s RETURNING crop_key"
DELETE_COLLECTION = "DELETE FROM collections WHERE collection_id = %s"

# Locks them, which DO NOTHING does not: a person who is deleted meanwhile is made anew, and two enrolments of one
# person take turns, so that each sees the photos of the other. Names come in order, so that none deadlocks. To write a
# column of the key would take a lock that other faces of the person wait for.
ADD_PERSONS = """
    INSERT INTO persons AS old (collection_id, person) SELECT %s, unnest(%s::text[])
    ON CONFLICT (collection_id, person) DO UPDATE SET created_at = old.created_at
"""
ENROLLED = f"""
    SELECT {FACE}, template FROM faces WHERE collection_id = %(collection_id)s AND face_id = ANY (%(face_ids)s)
    UNION
    SELECT {FACE}, template FROM faces
    WHERE collection_id = %(collection_id)s AND photo_sha256 = ANY (%(photos)s) AND person IS NOT NULL
    ORDER BY created_s, face_id
"""  # noqa: S608  (column names)
ENROL = f"""
    INSERT INTO faces ({FACE}, template) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""  # noqa: S608

FACE_BY_ID = f"""
    SELECT model_id, {FACE}, template
    FROM collections LEFT JOIN (SELECT * FROM faces WHERE face_id = %s) AS face USING (collection_id)
    WHERE collection_id = %s
"""  # noqa: S608
FACES = f"SELECT {FACE} FROM faces WHERE collection_id = %(collection_id)s AND face_id > %(after)s"  # noqa: S608
OF_PERSON = " AND person = %(person)s"
WITH_IDS = " AND face_id = ANY (%(face_ids)s)"
BY_ID = " ORDER BY face_id LIMIT %(limit)s"
DELETE_FACES = f"DELETE FROM faces WHERE collection_id = %s AND face_id = ANY (%s) RETURNING {FACE}"  # noqa: S608

CREATE_PERSON = """
    INSERT INTO persons (collection_id, person)
    SELECT collection_id, %s FROM collections WHERE collection_id = %s FOR KEY SHARE  -- as KEEP_COLLECTION
    ON CONFLICT DO NOTHING RETURNING extract(epoch FROM created_at)::float8
"""
PERSONS = """
    SELECT person,
           (SELECT count(*) FROM faces
            WHERE faces.collection_id = persons.collection_id AND faces.person = persons.person),
           extract(epoch FROM created_at)::float8
    FROM persons WHERE collection_id = %s AND person > %s ORDER BY person LIMIT %s
"""
LOCK_PERSON = "SELECT 1 FROM persons WHERE collection_id = %s AND person = %s FOR UPDATE"
DELETE_THEIR_FACES = f"DELETE FROM faces WHERE collection_id = %s AND person = %s RETURNING {FACE}"  # noqa: S608
LEAVE_THEIR_FACES = f"""
    UPDATE faces SET person = NULL WHERE collection_id = %s AND person = %s RETURNING {FACE}
"""  # noqa: S608
DELETE_PERSON = "DELETE FROM persons WHERE collection_id = %s AND person = %s"
# Whoever takes faces that are nobody's locks them in order, so that none deadlocks.
LOCK_FREE_FACES = """
    SELECT face_id FROM faces WHERE collection_id = %s AND face_id = ANY (%s) AND person IS NULL
    ORDER BY face_id FOR UPDATE
"""
ASSOCIATE = "UPDATE faces SET person = %s WHERE collection_id = %s AND face_id = ANY (%s)"
DISASSOCIATE = f"""
    UPDATE faces SET person = NULL WHERE collection_id = %s AND person = %s AND face_id = ANY (%s) RETURNING {FACE}
"""  # noqa: S608
COUNT_THEIR_FACES = "SELECT count(*) FROM faces WHERE collection_id = %s AND person = %s"
PERSON_TEMPLATES = """
    SELECT model_id, template FROM persons JOIN collections USING (collection_id)
    LEFT JOIN faces USING (collection_id, person)
    WHERE collection_id = %s AND person = %s ORDER BY face_id
"""
CENTROIDS = """
    SELECT person, model_id, avg(template) FROM faces JOIN collections USING (collection_id)
    WHERE collection_id = %s AND person = ANY (%s) GROUP BY person, model_id
"""

# One row at least for a collection that exists. The score is the inner product, on unit vectors the cosine.
_SEARCH = SQL(
    """
    SELECT model_id, indexed, best.* FROM collections LEFT JOIN LATERAL ({probes}) AS best ON true
    WHERE collections.collection_id = {collection_id}
    ORDER BY n, score DESC, face_id
    """
)
# One of these for each probe; a join with a list of probes would unpack the probe anew for every face.
# `{template}` is what an index was made of, or the bare column, which no index serves: then every face is scored.
_SEARCH_ONE = SQL(
    f"""
    SELECT {{n}} AS n, near.* FROM (
        SELECT {FACE}, -({{template}} <#> {{probe}}) AS score FROM faces
        WHERE faces.collection_id = {{collection_id}} AND collections.model_id = %(model_id)s {{named}}
        ORDER BY {{template}} <#> {{probe}} LIMIT %(limit)s
    ) AS near WHERE score >= %(min_score)s
    """  # noqa: S608
)
_NAMED = SQL("AND person IS NOT NULL AND person <> ALL (%(named_except)s)")


@lru_cache(maxsize=256)
def search(collection_id: str, probes: int, index_size: int | None, *, named: bool) -> bytes:
    """Return the statement that searches for so many probes, by the index on templates of a size or by none.

    It names the collection, since each has an index of its own; putting it together takes as long as a small search.
    """
    template = SQL("template") if index_size is None else indexed_template(index_size)
    collection = Literal(collection_id)
    one_by_one = SQL(" UNION ALL ").join(
        _SEARCH_ONE.format(
            n=Literal(n),
            probe=Placeholder(f"probe{n}"),
            template=template,
            collection_id=collection,
            named=_NAMED if named else SQL(""),
        )
        for n in range(probes)
    )
    return _SEARCH.format(probes=one_by_one, collection_id=collection).as_bytes()
