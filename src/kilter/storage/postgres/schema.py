"""What a database of studies is made of: tables, the function that appends to a log, and a view for people.

All of it is in a schema `kilter` of its own, so that a database may have the tables of other programs too.
"""

from __future__ import annotations

from kilter.engine.lifecycle import ATTEMPTS

LOCK = 0x4B494C54
"""The key of our advisory locks, "KILT": alone for the schema, beside the id of a study for its log."""

TABLES = """
CREATE TABLE kilter.version (version INTEGER NOT NULL);
INSERT INTO kilter.version VALUES (0);

CREATE TABLE kilter.study (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created DOUBLE PRECISION NOT NULL
);

CREATE TABLE kilter.event (
    study BIGINT NOT NULL REFERENCES kilter.study ON DELETE CASCADE,
    position BIGINT NOT NULL,
    kind TEXT NOT NULL,
    number BIGINT,
    attempt BIGINT NOT NULL,
    key BIGINT,              -- last part of the identity; NULL: the event has none and is never refused
    created_number BIGINT,   -- set where the event creates the trial
    time DOUBLE PRECISION NOT NULL,
    body TEXT NOT NULL,      -- JSON as it was written; kilter.readable() has it as jsonb
    token BIGINT,            -- by which an append knows its events again, when its first answer was lost
    PRIMARY KEY (study, position)
);
CREATE UNIQUE INDEX event_identity ON kilter.event (study, number, attempt, kind, key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX event_creates ON kilter.event (study, created_number) WHERE created_number IS NOT NULL;
-- NULLs differ from each other in a unique index, so event_identity lets a second Created through.
CREATE UNIQUE INDEX event_created ON kilter.event (study) WHERE kind = 'created';

CREATE TABLE kilter.snapshot (
    study BIGINT PRIMARY KEY REFERENCES kilter.study ON DELETE CASCADE,
    position BIGINT NOT NULL,
    version TEXT NOT NULL,
    data BYTEA NOT NULL
);

CREATE TABLE kilter.lease (
    study BIGINT NOT NULL REFERENCES kilter.study ON DELETE CASCADE,
    worker TEXT NOT NULL,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    born DOUBLE PRECISION NOT NULL,
    expires TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (study, worker)
);
"""

READABLE = r"""
-- JSON may name characters that jsonb refuses, NUL and halves of surrogate pairs; they become replacement characters.
-- Not PARALLEL SAFE: whoever catches an error begins a transaction within the transaction.
CREATE OR REPLACE FUNCTION kilter.readable(body TEXT) RETURNS JSONB LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN body::JSONB;
EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
    RETURN regexp_replace(body, '(?<!\\)((?:\\\\)*)\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\1\\ufffd', 'g')::JSONB;
END
$$;
"""

APPEND = f"""
-- Writes events at the end of a log and returns all that is new there: first the entry `after` itself, which proves
-- that this is still the same log, then the entries of others, then ours, without bodies. What is refused is left out.
-- One call is one transaction. Whoever calls it a second time, with the same token, gets what the first call wrote and
-- no more than that; it may still have been under way then, on a connection that its caller had given up.
CREATE OR REPLACE FUNCTION kilter.append(
    _study BIGINT, _after BIGINT, _below BIGINT, _distinct BOOLEAN, _token BIGINT, _count INTEGER, _events JSON
) RETURNS TABLE (
    "position" BIGINT, kind TEXT, number BIGINT, attempt BIGINT, "time" DOUBLE PRECISION, body TEXT, mine BIGINT
) LANGUAGE plpgsql AS $$
DECLARE
    _done BIGINT;
    _last BIGINT;
    _end BIGINT;
    _mine BIGINT := -1;
    _row RECORD;
BEGIN
    PERFORM pg_advisory_xact_lock({LOCK}, _study::INTEGER);
    SELECT max(e.position) INTO _done FROM kilter.event e
    WHERE e.study = _study AND e.position > _after AND e.token >= _token AND e.token < _token + _count;
    RETURN QUERY
        SELECT e.position, e.kind, e.number, e.attempt, e.time, CASE WHEN e.position > _after THEN e.body END,
               CASE WHEN e.token >= _token AND e.token < _token + _count THEN e.token - _token END
        FROM kilter.event e
        WHERE e.study = _study AND e.position >= _after AND e.position <= coalesce(_done, e.position)
        ORDER BY e.position;
    IF NOT FOUND OR _done IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT max(e.position) INTO _last FROM kilter.event e WHERE e.study = _study;
    _end := _last;
    FOR _row IN SELECT * FROM json_to_recordset(_events) AS event (
        kind TEXT, number BIGINT, attempt BIGINT, key BIGINT, creates BOOLEAN, time DOUBLE PRECISION, body TEXT
    ) LOOP
        _mine := _mine + 1;
        IF _row.creates AND _row.number IS NULL THEN
            SELECT coalesce(max(e.created_number), -1) + 1 INTO _row.number
            FROM kilter.event e WHERE e.study = _study AND e.created_number IS NOT NULL;
        END IF;
        CONTINUE WHEN _row.creates AND _row.number >= _below;
        CONTINUE WHEN _distinct AND _row.kind = 'started' AND EXISTS (
            SELECT FROM kilter.event e
            WHERE e.study = _study AND e.position > _after AND e.position <= _last AND e.kind = 'started'
              AND kilter.readable(e.body) -> 'params' = nullif(kilter.readable(_row.body) -> 'params', '{{}}')
        );
        INSERT INTO kilter.event VALUES (
            _study, _end + 1, _row.kind, _row.number, _row.attempt, _row.key,
            CASE WHEN _row.creates THEN _row.number END, _row.time, _row.body, _token + _mine
        ) ON CONFLICT DO NOTHING;
        CONTINUE WHEN NOT FOUND;
        _end := _end + 1;
        position := _end; number := _row.number; mine := _mine;
        RETURN NEXT;
    END LOOP;
END
$$;
"""

VIEW = f"""
-- For people who read the database with SQL. A trial that was lost waits again, but only so often, and an interrupted
-- one always; the late result of an attempt that was given up counts where the trial had not ended before:
-- kilter.engine decides so. One that was invalidated counts as failed.
DROP VIEW IF EXISTS kilter.trials;
CREATE OR REPLACE VIEW kilter.read AS
SELECT study, position, kind, number, attempt, time, kilter.readable(body) AS body FROM kilter.event;
CREATE VIEW kilter.trials AS
WITH latest AS (
    SELECT study, number,
           max(position) FILTER (WHERE kind = 'enqueued') AS queued,
           max(position) FILTER (WHERE kind = 'started') AS started,
           max(position) FILTER (WHERE kind = 'ended') AS ended,
           bool_or(kind = 'dropped') AS dropped,
           max(position) FILTER (WHERE kind = 'invalidated') AS invalidated,
           count(*) FILTER (WHERE kind = 'ended' AND failure = 'lost') AS losses,
           min(position) FILTER (WHERE kind = 'late' AND counts AND state = 'complete') AS late,
           min(position) FILTER (
               WHERE kind = 'ended' AND state <> 'paused' AND coalesce(failure, '') NOT IN ('lost', 'interrupted')
           ) AS finished
    FROM kilter.event
    LEFT JOIN LATERAL (
        SELECT body #>> '{{failure,kind}}' AS failure, body ->> 'state' AS state, (body -> 'counts')::BOOLEAN AS counts
        FROM kilter.readable(body) AS body
    ) AS told ON kind IN ('ended', 'late')
    WHERE kind IN ('enqueued', 'started', 'ended', 'late', 'dropped', 'invalidated')
    GROUP BY study, number
)
SELECT study.name AS study,
       latest.number AS number,
       CASE WHEN i.position IS NOT NULL THEN 'failed'
            WHEN l.position IS NOT NULL THEN 'complete'
            WHEN e.position IS NULL THEN CASE WHEN s.position IS NULL THEN 'waiting' ELSE 'running' END
            WHEN e.body #>> '{{failure,kind}}' = 'interrupted' THEN 'waiting'
            WHEN e.body #>> '{{failure,kind}}' = 'lost' AND latest.losses < {ATTEMPTS} THEN 'waiting'
            WHEN e.body ->> 'state' = 'paused' AND latest.dropped THEN 'pruned'
            ELSE e.body ->> 'state' END AS state,
       coalesce(l.attempt, e.attempt, s.attempt, 0) AS attempt,
       coalesce(l.body -> 'params', e.body -> 'params', s.body -> 'params', q.body -> 'params') AS params,
       coalesce(l.body, e.body) -> 'metrics' AS metrics,
       s.body -> 'budget' AS budget,
       s.time AS started,
       coalesce(l.time, e.time) AS ended,
       coalesce(coalesce(l.body, e.body) #>> '{{failure,kind}}', i.kind) AS failure,
       coalesce(coalesce(l.body, e.body) #>> '{{failure,message}}', i.body ->> 'reason') AS message
FROM latest
JOIN kilter.study ON study.id = latest.study
LEFT JOIN kilter.read q ON q.study = latest.study AND q.position = latest.queued
LEFT JOIN kilter.read s ON s.study = latest.study AND s.position = latest.started
LEFT JOIN kilter.read e ON e.study = latest.study AND e.position = latest.ended
                       AND latest.ended > coalesce(latest.started, 0)
LEFT JOIN kilter.read l ON l.study = latest.study AND l.position = latest.late
                       AND latest.losses < {ATTEMPTS} AND latest.late < coalesce(latest.finished, latest.late + 1)
LEFT JOIN kilter.read i ON i.study = latest.study AND i.position = latest.invalidated
ORDER BY latest.study, latest.number;
"""

MIGRATIONS = (TABLES + READABLE + APPEND + VIEW,)
"""Scripts of SQL; script k turns a database of version k into one of version k + 1. Only ever add at the end: another
APPEND, say, where it has to change; workers of the version before may still call it."""
