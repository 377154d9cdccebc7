-- Schema 2: what a training ended each epoch with, its final state, and where it went on from.

ALTER TABLE attempts ADD COLUMN state_sha256 TEXT;  -- of the state at the end; null: no training
ALTER TABLE attempts ADD COLUMN resumed_from TEXT;  -- <number>/checkpoints/<step>.safetensors

CREATE TABLE epochs (
  attempt  INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  epoch    TEXT NOT NULL,                -- JSON: epoch, step, state_sha256, losses, accuracies
  PRIMARY KEY (attempt, position)
) STRICT, WITHOUT ROWID;

CREATE VIEW v_epochs AS
SELECT attempts.key AS key, attempts.number AS attempt,
       json_extract(epochs.epoch, '$.epoch') AS epoch,
       json_extract(epochs.epoch, '$.step') AS step,
       json_extract(epochs.epoch, '$.state_sha256') AS state_sha256,
       json_extract(epochs.epoch, '$.lr') AS lr,
       json_extract(epochs.epoch, '$.train_loss') AS train_loss,
       json_extract(epochs.epoch, '$.train_top1') AS train_top1,
       json_extract(epochs.epoch, '$.split') AS split,
       json_extract(epochs.epoch, '$.top1') AS top1,
       json_extract(epochs.epoch, '$.loss') AS loss
FROM epochs JOIN attempts ON attempts.id = epochs.attempt;
