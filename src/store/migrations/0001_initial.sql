-- Schema 1. What each table and view means stands in docs/database.md; views are stable, tables are
-- not: read the views. Times are milliseconds since the epoch (UTC), accuracies fractions.

CREATE TABLE trials (
  key       TEXT NOT NULL PRIMARY KEY,   -- 64 hexadecimal digits
  seed      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Apart from `trials`, so that listing ten thousand trials does not page through their text.
CREATE TABLE configurations (
  key       TEXT NOT NULL PRIMARY KEY REFERENCES trials (key),
  canonical TEXT NOT NULL,               -- its SHA-256 is the key
  config    TEXT NOT NULL                -- flat JSON, defaults included, unset null
) STRICT;

-- Every configuration key that some trial has: tells a column of `config` from a metric.
CREATE TABLE configuration_keys (
  name TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE sweeps (
  name    TEXT NOT NULL PRIMARY KEY,
  text    TEXT NOT NULL,                 -- the sweep file as read
  sha256  TEXT NOT NULL,                 -- of text
  plan    TEXT NOT NULL                  -- the frozen plan, JSON
) STRICT;

CREATE TABLE memberships (
  sweep      TEXT NOT NULL REFERENCES sweeps (name),
  key        TEXT NOT NULL REFERENCES trials (key),
  name       TEXT NOT NULL,              -- sweep/axis=value,…
  group_name TEXT NOT NULL,              -- the name without its seed
  ordinal    INTEGER NOT NULL,           -- position in the plan
  axes       TEXT NOT NULL,              -- JSON [[label, value], …] in file order
  PRIMARY KEY (sweep, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_of_key ON memberships (key);
CREATE INDEX memberships_by_name ON memberships (name);

CREATE TABLE claims (
  sweep     TEXT NOT NULL REFERENCES sweeps (name),
  position  INTEGER NOT NULL,
  id        TEXT NOT NULL,
  "where"   TEXT NOT NULL,
  metric    TEXT NOT NULL,
  value     REAL NOT NULL,               -- a fraction
  tolerance REAL NOT NULL,
  requires  TEXT NOT NULL,
  details   TEXT NOT NULL,               -- JSON
  PRIMARY KEY (sweep, position)
) STRICT, WITHOUT ROWID;

-- Fingerprints (library, device, instruction set, revision, data checksums …), each once.
CREATE TABLE environments (
  id          INTEGER PRIMARY KEY,
  sha256      TEXT NOT NULL UNIQUE,      -- of fingerprint
  fingerprint TEXT NOT NULL              -- JSON
) STRICT;

CREATE TABLE attempts (
  id                INTEGER PRIMARY KEY,
  key               TEXT NOT NULL REFERENCES trials (key),
  number            INTEGER NOT NULL,    -- 1, 2, … within the trial; folder runs/<key>/<number>
  status            TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'running', 'preempted', 'pruned')),
  failure_class     TEXT,
  message           TEXT,
  exit_code         INTEGER,
  signal            INTEGER,
  failure_details   TEXT,                -- JSON
  started_ms        INTEGER NOT NULL,
  finished_ms       INTEGER,
  seconds           REAL,
  peak_memory_bytes INTEGER,
  device            TEXT NOT NULL,
  command           TEXT NOT NULL,
  numerics_version  TEXT,                -- JSON
  environment       INTEGER NOT NULL REFERENCES environments (id),
  UNIQUE (key, number)
) STRICT;
CREATE INDEX attempts_running ON attempts (status) WHERE status = 'running';

CREATE TABLE finals (
  attempt INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
  name    TEXT NOT NULL,
  value   ANY,                           -- integer or real; null: not a number
  PRIMARY KEY (attempt, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE metrics (
  attempt  INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,             -- in the order in which they came
  name     TEXT NOT NULL,
  step     INTEGER,
  epoch    REAL,
  value    REAL,                         -- null: not a number
  wall_s   REAL,                         -- since the attempt started
  PRIMARY KEY (attempt, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE layers (
  attempt  INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,             -- execution order
  layer    TEXT NOT NULL,                -- JSON: name, op, bits, MACs, BOPs, bytes
  PRIMARY KEY (attempt, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE bitmaps (
  attempt    INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
  evaluation TEXT NOT NULL,              -- 'top1'
  images     INTEGER NOT NULL,
  sha256     TEXT NOT NULL,
  bits       BLOB NOT NULL,              -- most significant bit first; empty: only the digest is known
  PRIMARY KEY (attempt, evaluation)
) STRICT;

CREATE TABLE artifacts (
  attempt INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
  name    TEXT NOT NULL,
  path    TEXT NOT NULL,                 -- relative to the attempt's folder
  bytes   INTEGER NOT NULL,
  sha256  TEXT NOT NULL,
  PRIMARY KEY (attempt, name)
) STRICT, WITHOUT ROWID;

-- The attempt that a trial's row shows: its latest successful, else its latest.
CREATE VIEW shown_attempts AS
SELECT trials.key AS key,
       coalesce((SELECT id FROM attempts WHERE attempts.key = trials.key AND status = 'ok'
                 ORDER BY number DESC LIMIT 1),
                (SELECT id FROM attempts WHERE attempts.key = trials.key
                 ORDER BY number DESC LIMIT 1)) AS attempt
FROM trials;

CREATE VIEW v_trials AS
SELECT trials.key AS key, memberships.sweep AS sweep, memberships.name AS name,
       memberships.group_name AS group_name, memberships.ordinal AS ordinal,
       memberships.axes AS axes, trials.seed AS seed, coalesce(attempts.status, 'queued') AS status,
       attempts.number AS attempt, attempts.failure_class AS failure_class,
       attempts.message AS message,
       strftime('%Y-%m-%dT%H:%M:%SZ', attempts.started_ms / 1000, 'unixepoch') AS started,
       attempts.seconds AS seconds, attempts.device AS device,
       (SELECT value FROM finals WHERE attempt = attempts.id AND name = 'top1') AS top1,
       (SELECT value FROM finals WHERE attempt = attempts.id AND name = 'top5') AS top5,
       (SELECT value FROM finals WHERE attempt = attempts.id AND name = 'correct') AS correct,
       (SELECT value FROM finals WHERE attempt = attempts.id AND name = 'images') AS images,
       (SELECT value FROM finals WHERE attempt = attempts.id AND name = 'loss') AS loss,
       environments.fingerprint AS fingerprint, configurations.config AS config
FROM trials
JOIN configurations ON configurations.key = trials.key
JOIN shown_attempts ON shown_attempts.key = trials.key
LEFT JOIN memberships ON memberships.key = trials.key
LEFT JOIN attempts ON attempts.id = shown_attempts.attempt
LEFT JOIN environments ON environments.id = attempts.environment;

-- One row a group of seeds. Means are the report's: the raw values are in v_trials.
CREATE VIEW v_groups AS
SELECT memberships.sweep AS sweep, memberships.group_name AS group_name,
       min(memberships.ordinal) AS ordinal, memberships.axes AS axes, count(*) AS trials,
       sum(coalesce(attempts.status, 'queued') = 'ok') AS ok,
       sum(coalesce(attempts.status, 'queued') = 'failed') AS failed,
       sum(coalesce(attempts.status, 'queued') = 'running') AS running,
       sum(coalesce(attempts.status, 'queued') = 'queued') AS queued,
       sum(coalesce(attempts.status, 'queued') = 'preempted') AS preempted,
       sum(coalesce(attempts.status, 'queued') = 'pruned') AS pruned
FROM memberships
JOIN shown_attempts ON shown_attempts.key = memberships.key
LEFT JOIN attempts ON attempts.id = shown_attempts.attempt
GROUP BY memberships.sweep, memberships.group_name;

-- Every number of every attempt: points of series, and final values (final = 1, no step).
CREATE VIEW v_metrics AS
SELECT attempts.key AS key, attempts.number AS attempt, attempts.status AS status,
       metrics.name AS metric, metrics.step AS step, metrics.epoch AS epoch,
       metrics.value AS value, metrics.wall_s AS wall_s, 0 AS final
FROM metrics JOIN attempts ON attempts.id = metrics.attempt
UNION ALL
SELECT attempts.key, attempts.number, attempts.status, finals.name, NULL, NULL, finals.value, NULL, 1
FROM finals JOIN attempts ON attempts.id = finals.attempt;

CREATE VIEW v_claims AS
SELECT sweep, id, "where", metric, value, tolerance, requires, details FROM claims;

CREATE VIEW v_layers AS
SELECT attempts.key AS key, attempts.number AS attempt, layers.position AS position,
       json_extract(layers.layer, '$.name') AS name, layers.layer AS layer
FROM layers JOIN attempts ON attempts.id = layers.attempt;
