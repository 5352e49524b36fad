-- Access keys, their secrets sealed with the key file, and answers to requests that clients may send again.

CREATE TABLE access_keys (
    access_key_id  text COLLATE "C" PRIMARY KEY,
    scope          text NOT NULL CHECK (scope IN ('read', 'enrol', 'admin')),
    collections    text[],
    created_s      double precision NOT NULL,
    sealed_secret  bytea NOT NULL
);

CREATE TABLE receipts (
    token       text COLLATE "C" PRIMARY KEY,
    digest      text NOT NULL,
    answer      bytea NOT NULL,
    expires_at  timestamptz NOT NULL
);

CREATE INDEX receipts_expiring ON receipts (expires_at);
