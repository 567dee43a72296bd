-- Lines of one file, and how far it has been read with them.
SET client_min_messages = warning;
BEGIN;
-- Two of these at once, as when a pod is replaced, wait for each other.
LOCK TABLE owntracks_files IN EXCLUSIVE MODE;

-- What a phone sends is anything: a line that is no location is left out, and stops nothing.
CREATE FUNCTION pg_temp.object_of(line text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN line::jsonb;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;
CREATE FUNCTION pg_temp.number_of(value jsonb) RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN jsonb_typeof(value) = 'number' THEN (value #>> '{}')::double precision END;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;

CREATE TEMPORARY TABLE lines (line text) ON COMMIT DROP;
-- Neither sign is in a line: each is taken as it is.
\copy lines FROM lines WITH (FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01')

INSERT INTO locations (account, device, at, lat, lon, accuracy, altitude, velocity, battery, payload, digest)
SELECT
    :'account', :'device', to_timestamp(pg_temp.number_of(sent -> 'tst')),
    pg_temp.number_of(sent -> 'lat'), pg_temp.number_of(sent -> 'lon'),
    pg_temp.number_of(sent -> 'acc'), pg_temp.number_of(sent -> 'alt'),
    pg_temp.number_of(sent -> 'vel'), pg_temp.number_of(sent -> 'batt'),
    sent, md5(sent::text)
FROM (SELECT pg_temp.object_of(substring(line FROM '^[^\t]*\t[^\t]*\t(.*)$')) AS sent FROM lines OFFSET 0) AS each
WHERE sent ->> '_type' = 'location'
    AND pg_temp.number_of(sent -> 'tst') BETWEEN 0 AND 4102444800
    AND pg_temp.number_of(sent -> 'lat') BETWEEN -90 AND 90
    AND pg_temp.number_of(sent -> 'lon') BETWEEN -180 AND 180
ON CONFLICT DO NOTHING;

INSERT INTO owntracks_files (name, bytes) VALUES (:'name', :'bytes')
ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes;
COMMIT;
