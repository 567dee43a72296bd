SET client_min_messages = warning;

CREATE TABLE IF NOT EXISTS locations (
    account text NOT NULL,
    device text NOT NULL,
    at timestamptz NOT NULL,
    lat double precision NOT NULL,
    lon double precision NOT NULL,
    -- Of the account's phone, as OwnTracks has it: metres, metres, km/h, percent.
    accuracy double precision,
    altitude double precision,
    velocity double precision,
    battery double precision,
    -- All that the phone has sent.
    payload jsonb NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (account, device, at, digest)
);
CREATE INDEX IF NOT EXISTS locations_at ON locations (at);

-- How far each file of the Recorder has been read.
CREATE TABLE IF NOT EXISTS owntracks_files (
    name text PRIMARY KEY,
    bytes bigint NOT NULL
);
