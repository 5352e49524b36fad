-- Enrolled faces. Names and ids sort by code point ("C"), whatever the database's language.

-- The embedded server has it already. Elsewhere this needs a superuser once; on managed servers an administrator.
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE collections (
    collection_id  text COLLATE "C" PRIMARY KEY,
    model_id       text NOT NULL,
    tags           jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    indexed        boolean NOT NULL DEFAULT false  -- whether a search may use the collection's HNSW index
);

CREATE TABLE persons (
    collection_id  text COLLATE "C" NOT NULL REFERENCES collections ON DELETE CASCADE,
    person         text COLLATE "C" NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (collection_id, person)
);

CREATE TABLE faces (
    collection_id      text COLLATE "C" NOT NULL REFERENCES collections ON DELETE CASCADE,
    face_id            text COLLATE "C" NOT NULL,
    person             text COLLATE "C",
    image_id           text NOT NULL,
    external_image_id  text,
    photo_sha256       text NOT NULL,
    box                float8[] NOT NULL,  -- left, top, width, height
    landmarks          float8[] NOT NULL,  -- x, y of each point
    confidence         float8 NOT NULL,
    quality            float8[],           -- brightness, sharpness
    pose               float8[],           -- roll, yaw, pitch
    crop_key           text,
    created_s          float8 NOT NULL,
    template           vector NOT NULL,    -- as many dimensions as the collection's model gives
    PRIMARY KEY (collection_id, face_id),
    FOREIGN KEY (collection_id, person) REFERENCES persons
);

-- In the row, not in a side table: an exact search reads every template of a collection.
ALTER TABLE faces ALTER COLUMN template SET STORAGE PLAIN;

CREATE INDEX faces_person ON faces (collection_id, person, face_id);
CREATE INDEX faces_photo ON faces (collection_id, photo_sha256) WHERE person IS NOT NULL;
